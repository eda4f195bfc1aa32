"""All candidate sources by name, and how much of the pool each fills where nothing else is said."""

from __future__ import annotations

import numpy as np

from bundle.reader import Bundle
from serving.sources.item_item import ItemItem
from serving.sources.listed import Listed
from serving.sources.source import CandidateSource
from serving.sources.two_tower import NEW_SHARE, New, TwoTower

NAMES = (
    "new", "two_tower", "item_item", "rules", "tfidf", "taxonomy", "trending", "popular", "best_value",
    "top_categories", "diverse",
)  # fmt: skip
"""In order of precedence. A bundle need not carry all of them."""
SHARES = (("new", NEW_SHARE), ("two_tower", 0.6), ("item_item", 0.3), ("popular", 0.1))


def default_sources(bundle: Bundle) -> list[CandidateSource]:
    """The sources that a bundle carries, in order of precedence."""
    popular = Listed("popular", bundle.popular.astype(np.int64), bundle.popularity)
    return [New(), TwoTower(), ItemItem(), popular]
