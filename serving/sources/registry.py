"""All candidate sources by name, and how much of the pool each fills where nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bundle.reader import Bundle
from catalog.errors import ConfigError
from serving.sources.categories import Diverse, Taxonomy, TopCategories
from serving.sources.item_item import ItemItem
from serving.sources.listed import Listed
from serving.sources.neighbours import Neighbours
from serving.sources.shelves import Shelves
from serving.sources.source import CandidateSource
from serving.sources.trending import DECAY, Trending
from serving.sources.two_tower import NEW_SHARE, New, TwoTower

NAMES = (
    "new", "two_tower", "item_item", "rules", "tfidf", "taxonomy", "trending", "popular", "best_value",
    "top_categories", "diverse",
)  # fmt: skip
"""In order of precedence. A bundle need not carry all of them."""
SHARES: Mapping[str, float] = {"new": NEW_SHARE, "two_tower": 0.6, "item_item": 0.3, "popular": 0.1}
"""Of the pool, what each fills first; the others only fill gaps, or answer when they are asked for by name."""


def default_sources(bundle: Bundle, decay: float = DECAY) -> list[CandidateSource]:
    """The sources that a bundle carries, in order of precedence.

    Args:
        bundle: an open bundle.
        decay: of trending, per hour.
    """
    parts = bundle.proposals
    sources: list[CandidateSource] = [New(), TwoTower(), ItemItem(), Trending(parts.trends, decay)]
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


def checked(shares: Mapping[str, float], where: str) -> dict[str, float]:
    """Shares that a pool can be filled by.

    Args:
        shares: share of the pool by name of the source.
        where: they come from, for messages.

    Raises:
        ConfigError: an unknown name, or a share that is none.
    """
    for name, share in shares.items():
        if name not in NAMES:
            raise ConfigError(f"{where}: expected sources among {', '.join(NAMES)}; found {name!r}")
        if not 0 <= share <= 1:
            raise ConfigError(f"{where}: expected a share of {name} from 0 to 1, found {share:g}")
    if shares and not any(shares.values()):
        raise ConfigError(
            f"{where}: expected one share above 0 at least, found none; the pool would be empty"
        )
    return dict(shares)
