"""Where candidates come from: one small Protocol, four sources, and how their proposals are merged.

Each source proposes its best rows among those allowed. `merge` gives each its share of the pool in order of
precedence and fills what is left from the first one on, so a source that has nothing to say costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bundle.reader import Bundle
from catalog.errors import RecommenderError
from catalog.records import Candidates, Ints
from index.protocol import Mask, best
from serving.ranker import Viewer
from towers.cross import HEARD

log = logging.getLogger(__name__)
NEW_SHARE = 0.05
"""Of the pool, at most: newcomers are let in beside the others, not instead of them."""
SHARES = (("new", NEW_SHARE), ("two_tower", 0.6), ("item_item", 0.3), ("popular", 0.1))
COVISITATION = HEARD.index("covisitation")
"""Of what the history's neighbours say, what proposes candidates."""
COLD_SHARE = 0.5
"""Of the pool of a user nothing is known of, the share that popular items propose first."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What sources are asked for."""

    viewer: Viewer
    allowed: Mask
    """[n] rows that may be proposed."""
    k: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Merged candidates in order of precedence, each row once."""

    found: Candidates
    sources: NDArray[np.int8]
    """[n] position in `names` of the source that proposed a row first."""
    names: tuple[str, ...]


class CandidateSource(Protocol):
    """Proposes items for a user."""

    @property
    def name(self) -> str:
        """How answers call it."""

    def find(self, demand: Demand) -> Candidates:
        """At most `demand.k` of the allowed rows, best first; scores need only rank within the source."""


class New:
    """What came after the model was trained and suits the user best: nobody has taken it, so nothing else vouches
    for it, and its vector is shorter than those of items that are often wanted.
    """

    name = "new"

    def find(self, demand: Demand) -> Candidates:
        """New items by inner product, at most their share of the pool; nobody where there is no user vector."""
        items, viewer = demand.viewer.items, demand.viewer
        if items.bundled == len(items) or viewer.failed:
            return _none()
        rows = items.bundled + np.flatnonzero(demand.allowed[items.bundled :])
        return best(rows, items.vectors[rows] @ viewer.vector, ceil(NEW_SHARE * demand.k))


class TwoTower:
    """The items whose vectors are nearest the user's."""

    name = "two_tower"

    def find(self, demand: Demand) -> Candidates:
        """Nearest by inner product; nobody where there is no user vector."""
        viewer = demand.viewer
        if viewer.failed:
            return _none()
        return viewer.items.index.search(viewer.vector[None], demand.k, demand.allowed)[0]


class ItemItem:
    """What was seen together with the user's latest items, the latest loudest."""

    name = "item_item"

    def find(self, demand: Demand) -> Candidates:
        """Co-visited items; nothing without a history."""
        scores = demand.viewer.said[COVISITATION]
        rows: Ints = np.flatnonzero((scores > 0) & demand.allowed)
        return best(rows, scores[rows], demand.k)


class Popular:
    """What most people took, whoever asks."""

    name = "popular"

    def __init__(self, bundle: Bundle) -> None:
        self._rows = bundle.popular.astype(np.int64)
        self._popularity = bundle.popularity

    def find(self, demand: Demand) -> Candidates:
        """Most popular first."""
        for head in (self._rows[: 2 * demand.k], self._rows):  # nearly always there are enough at the top
            rows = head[demand.allowed[head]][: demand.k]
            if len(rows) == demand.k:
                break
        return Candidates(rows, self._popularity[rows])


def default_sources(bundle: Bundle) -> list[CandidateSource]:
    """New items, and the sources that every bundle of format 1 carries, in order of precedence."""
    return [New(), TwoTower(), ItemItem(), Popular(bundle)]


def merge(
    sources: Sequence[CandidateSource],
    demand: Demand,
    shares: Sequence[tuple[str, float]],
    failed: list[str],
) -> Pool:
    """Ask all sources and merge their proposals to at most `demand.k` different rows.

    Args:
        sources: in order of precedence.
        demand: what to ask them.
        shares: name → share `0 … 1` of the pool that a source fills first; sources not named fill only gaps.
        failed: gets the name of each source that raised; the others do its part.
    """
    quota = {name: ceil(share * demand.k) for name, share in shares}
    if demand.viewer.cold:
        quota = {name: ceil((1 - COLD_SHARE) * count) for name, count in quota.items()}
        quota["popular"] = ceil(COLD_SHARE * demand.k)
    proposals: list[Ints] = []
    for source in sources:
        try:
            proposals.append(source.find(demand).rows)
        except (RecommenderError, ValueError, RuntimeError) as exc:
            log.error("source %s failed: %s", source.name, exc)
            failed.append(source.name)
            proposals.append(_none().rows)
    left = demand.allowed.copy()
    rows: list[Ints] = [_none().rows]
    marks: list[int] = [0]
    room = demand.k
    for fill in (False, True):
        for position, (source, proposed) in enumerate(zip(sources, proposals, strict=True)):
            count = room if fill else min(room, quota.get(source.name, 0))
            if not count or not len(proposed):
                continue
            taken = proposed[left[proposed]][:count]
            left[taken] = False
            room -= len(taken)
            rows.append(taken)
            marks.append(position)
    merged = np.concatenate(rows)
    found = Candidates(merged, np.zeros(len(merged), np.float32))
    origins = np.repeat(np.array(marks, np.int8), [len(taken) for taken in rows])
    return Pool(found, origins, tuple(source.name for source in sources))


def _none() -> Candidates:
    return Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
