"""Clusters of texts by TF-IDF: where a text lies among a catalogue's themes, as distances to their centres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalog.records import Floats

CLUSTERS = 15
WORDS = 2_000
THEMES = 20
"""Dimensions that TF-IDF is brought down to before it is clustered (latent semantic analysis)."""


def clusters(texts: Sequence[str], count: int = CLUSTERS, seed: int = 0) -> Floats:
    """Distances `[n, count]` of texts to the centres of k-means; `[n, 0]` where they are too few to cluster."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    distinct = sorted({text for text in texts if text})
    try:
        words = TfidfVectorizer(max_features=WORDS, sublinear_tf=True, min_df=2, dtype=np.float32)
        weights = words.fit_transform(distinct)
    except ValueError:  # no text, or no word that two of them share
        return np.zeros((len(texts), 0), np.float32)
    if len(distinct) < 2 * count or weights.shape[1] <= THEMES:
        return np.zeros((len(texts), 0), np.float32)
    svd = TruncatedSVD(THEMES, random_state=seed)
    means = MiniBatchKMeans(count, random_state=seed, n_init=1)
    distances = means.fit_transform(svd.fit_transform(weights))
    place = {text: row for row, text in enumerate(distinct)}
    rows = np.array([place.get(text, -1) for text in texts])
    found = np.where(rows[:, None] >= 0, distances[rows], distances.mean(0))
    return np.ascontiguousarray(found, np.float32)
