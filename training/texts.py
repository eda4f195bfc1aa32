"""Clusters of texts by TF-IDF: a catalogue's themes, and where each of its texts lies among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bundle.tabular import Texts, text_of
from bundle.themes import Themes
from catalog.records import Item

CLUSTERS = 15
WORDS = 2_000
THEMES = 20
"""Dimensions that TF-IDF is brought down to before it is clustered (latent semantic analysis)."""


def themes_of(texts: Sequence[str], count: int = CLUSTERS, seed: int = 0) -> Themes | None:
    """The clusters of k-means; None where texts are too few to cluster."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    distinct = sorted({text for text in texts if text})
    try:
        words = TfidfVectorizer(max_features=WORDS, sublinear_tf=True, min_df=2, dtype=np.float32)
        weights = words.fit_transform(distinct)
    except ValueError:  # no text, or no word that two of them share
        return None
    if len(distinct) < 2 * count or weights.shape[1] <= THEMES:
        return None
    svd = TruncatedSVD(THEMES, random_state=seed)
    means = MiniBatchKMeans(count, random_state=seed, n_init=1).fit(svd.fit_transform(weights))
    rows = {word: int(row) for word, row in words.vocabulary_.items()}
    return Themes(
        rows, words.idf_.astype(np.float32), np.ascontiguousarray(svd.components_.T, np.float32),
        means.cluster_centers_.astype(np.float32),
    )  # fmt: skip


def texts_of(items: Sequence[Item]) -> tuple[Texts, Themes | None]:
    """Length and distances of each item's text, and what the distances are told by."""
    texts = [text_of(item) for item in items]
    themes = themes_of(texts)
    clusters = np.zeros((len(texts), 0), np.float32) if themes is None else themes.distances(texts)
    return Texts.of(texts, clusters), themes
