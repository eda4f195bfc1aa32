"""How the proposals of several sources become one pool.

Each source fills its share of the pool in order of precedence; what is left is filled from the first source on. A
source is asked only when it has a share, or when there are gaps that those before it could not fill.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from catalog.errors import RecommenderError
from catalog.records import Candidates, Ints
from index.protocol import Mask
from serving.sources.source import NOTHING, CandidateSource, Demand

log = logging.getLogger(__name__)
Shares = Sequence[tuple[str, float]]
COLD_SHARE = 0.5
"""Of the pool of a user nothing is known of, the share that popular items propose first."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Merged candidates in order of precedence, each row once."""

    found: Candidates
    sources: NDArray[np.int8]
    """[n] position in `names` of the source that proposed a row first."""
    names: tuple[str, ...]

    def of(self, name: str) -> Mask:
        """`[n]` what a source proposed first."""
        by_it: Mask = self.sources == (self.names.index(name) if name in self.names else -1)
        return by_it

    def led_by(self, name: str) -> Pool:
        """The same with what one source proposed before all else."""
        order = np.argsort(~self.of(name), kind="stable")
        return Pool(
            Candidates(self.found.rows[order], self.found.scores[order]), self.sources[order], self.names
        )


def by_one(shares: Shares, name: str, cold: bool) -> Shares:
    """Shares where one source decides: all but the newcomers' is its own, or, of strangers, what is popular."""
    newcomers = tuple((each, share) for each, share in shares if each == "new")
    return (*newcomers, (name, 1.0), ("popular", 1.0)) if cold else (*newcomers, (name, 1.0))


def for_strangers(shares: Shares) -> Shares:
    """Shares for a user nothing is known of: popular items first, the others in the proportions that they have."""
    others = tuple((name, (1 - COLD_SHARE) * share) for name, share in shares if name != "popular")
    return (*others, ("popular", COLD_SHARE))


def merge(
    sources: Sequence[CandidateSource],
    demand: Demand,
    shares: Shares,
    failed: list[str],
) -> Pool:
    """Ask sources and merge their proposals to at most `demand.k` different rows.

    Args:
        sources: in order of precedence.
        demand: what to ask them.
        shares: name and share `0 … 1` of the pool that a source fills first; sources not named fill only gaps.
        failed: gets the name of each source that raised; the others do its part.
    """
    quota = {name: ceil(share * demand.k) for name, share in shares}
    proposals: dict[str, Ints] = {}
    left = demand.allowed.copy()
    rows: list[Ints] = [NOTHING.rows]
    marks: list[int] = [0]
    room = demand.k
    for fill in (False, True):
        for position, source in enumerate(sources):
            count = room if fill else min(room, quota.get(source.name, 0))
            if not count:
                continue
            if source.name not in proposals:
                proposals[source.name] = ask(source, demand, failed).rows
            proposed = proposals[source.name]
            taken = proposed[left[proposed]][:count]
            left[taken] = False
            room -= len(taken)
            rows.append(taken)
            marks.append(position)
    merged = np.concatenate(rows)
    found = Candidates(merged, np.zeros(len(merged), np.float32))
    origins = np.repeat(np.array(marks, np.int8), [len(taken) for taken in rows])
    return Pool(found, origins, tuple(source.name for source in sources))


def ask(source: CandidateSource, demand: Demand, failed: list[str]) -> Candidates:
    """What a source proposes; nothing, and its name among the failed, where it raises."""
    try:
        return source.find(demand)
    except (RecommenderError, ValueError, RuntimeError) as exc:
        log.error("source %s failed: %s", source.name, exc)
        failed.append(source.name)
        return NOTHING
