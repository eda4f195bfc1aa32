"""All candidate sources that a bundle carries."""

from __future__ import annotations

import numpy as np

from bundle.reader import Bundle
from serving.sources.categories import Diverse, Taxonomy, TopCategories
from serving.sources.item_item import ItemItem
from serving.sources.listed import Listed
from serving.sources.neighbours import Neighbours
from serving.sources.shares import DECAY, NAMES, SHARES
from serving.sources.shelves import Shelves
from serving.sources.source import CandidateSource
from serving.sources.trending import Trending
from serving.sources.two_tower import New, TwoTower


def default_sources(
    bundle: Bundle, decay: float = DECAY, new: float = SHARES["new"]
) -> list[CandidateSource]:
    """The sources that a bundle carries, in order of precedence.

    Args:
        bundle: an open bundle.
        decay: of trending, per hour.
        new: the share of a pool that newcomers have at most.
    """
    parts = bundle.proposals
    sources: list[CandidateSource] = [New(new), TwoTower(), Trending(parts.trends, decay)]
    sources += [ItemItem("item_item", "covisitation"), ItemItem("item_item_long", "covisitation_long")]
    sources.append(Listed("popular", bundle.popular.astype(np.int64), bundle.popularity))
    for name, table in (("rules", parts.rules), ("tfidf", parts.tfidf)):
        if table.rows.shape[1]:
            sources.append(Neighbours(name, table))
    if parts.value is not None:
        known = np.flatnonzero(~np.isnan(parts.value))
        best_first = known[np.argsort(-parts.value[known], kind="stable")]
        sources.append(Listed("best_value", best_first, parts.value))
    if bundle.categories:
        shelves = Shelves(bundle.categories, bundle.popularity)
        sources += [Taxonomy(shelves, parts.tree), TopCategories(shelves), Diverse(shelves)]
    return sorted(sources, key=lambda source: NAMES.index(source.name))
