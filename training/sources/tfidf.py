"""Items whose title and category share words that few others have: TF-IDF, by scikit-learn, compared by cosine.

It knows nothing of users: it speaks for items that nobody has taken yet as well as for those that many have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalog.records import Item
from training.neighbours import Table, strongest

KEEP = 30
"""Neighbours per item."""
COMMON = 2_000
"""Items that may share a word; what more of them share sets nothing apart, and comparing them would take long."""
CHUNK = 1_000


def tfidf(items: Sequence[Item], category: str | None, keep: int = KEEP) -> Table:
    """Each item's nearest by the words of title and category; none where items bear no title but their id.

    Args:
        items: n of them.
        category: the feature that categories mean, where there is one.
        keep: neighbours per item, at most.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows, weights = np.full((len(items), keep), -1, np.int32), np.zeros((len(items), keep), np.float32)
    titled = np.flatnonzero([item.title not in ("", item.item_id) for item in items])
    # Words in two documents at least: what one alone has relates it to nothing.
    vectorizer = TfidfVectorizer(
        min_df=2, max_df=max(2, min(COMMON, len(titled) // 2)), sublinear_tf=True, dtype=np.float32
    )
    try:
        vectors = vectorizer.fit_transform(_words(items[row], category) for row in titled.tolist())
    except ValueError:  # its way to say that no word is left
        return rows[:, :0], weights[:, :0]
    for begin in range(0, len(titled), CHUNK):
        some = titled[begin : begin + CHUNK]
        likeness = (vectors[begin : begin + CHUNK] @ vectors.T).tocsr()
        own = np.repeat(begin + np.arange(len(some)), np.diff(likeness.indptr))
        likeness.data[likeness.indices == own] = 0
        likeness.eliminate_zeros()
        near, weights[some] = strongest(likeness, keep)
        rows[some] = np.where(near >= 0, titled[near], -1)
    return rows, weights


def _words(item: Item, category: str | None) -> str:
    value = item.features.get(category) if category is not None else None
    members = value if isinstance(value, tuple) else () if value is None else (str(value),)
    return " ".join((item.title, *members))
