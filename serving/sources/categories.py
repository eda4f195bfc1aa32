"""Sources that think in categories: the best of the user's, of related ones, and of those the user has not met."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import blake2b

import numpy as np

from catalog.records import Candidates, Floats, Ints
from index.protocol import best, distinct
from serving.sources.shelves import Shelves
from serving.sources.source import Demand

TOP = 5
"""Categories that count as the user's."""
STEP = 0.5
"""How much less near a category is with each step along the tree."""
DAY = 86_400.0
TRIES = 4
"""Draws per pick that is wanted; some fall on items that were drawn, or may not be shown."""


class TopCategories:
    """The most popular items of the user's categories, in turns; of the most popular ones for a stranger."""

    name = "top_categories"

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves

    def find(self, demand: Demand) -> Candidates:
        """The first of each category, then the second of each, …"""
        shelves = self._shelves
        visited = shelves.visited(demand.viewer.history)
        loved = visited if visited.any() else shelves.popularity.astype(np.float32)
        top = best(np.flatnonzero(loved > 0), loved[loved > 0], TOP).rows
        rows, which, place = shelves.heads(top, demand.allowed, demand.k)
        return _ordered(distinct(rows[np.lexsort((which, place))])[: demand.k])


class Taxonomy:
    """Backfill along the tree of categories: the user's own, then their nearest relatives."""

    name = "taxonomy"

    def __init__(self, shelves: Shelves, tree: Mapping[str, str]) -> None:
        """Prepare the tree.

        Args:
            shelves: the categories that items are in.
            tree: the category above each category that has one above it.
        """
        self._shelves = shelves
        names = {name: at for at, name in enumerate(shelves.names)}
        for name in (each for pair in tree.items() for each in pair):
            names.setdefault(name, len(names))
        self._above = np.full(len(names), -1, np.int64)
        for child, parent in tree.items():
            self._above[names[child]] = names[parent]
        depth = np.zeros(len(names), np.int64)
        up = self._above.copy()
        for _ in range(len(names)):  # at most: a circle would never end
            if not (up >= 0).any():
                break
            depth += up >= 0
            up = np.where(up >= 0, self._above[up], -1)
        self._levels = [np.flatnonzero(depth == level) for level in range(1, int(depth.max(initial=0)) + 1)]
        """Categories by how many are above them, the highest first; roots are left out."""

    def find(self, demand: Demand) -> Candidates:
        """Popular items of the nearest categories, the nearest first; nothing without a history."""
        shelves = self._shelves
        near = self.nearness(shelves.visited(demand.viewer.history))
        found: list[Ints] = []
        left = demand.allowed.copy()
        room = demand.k
        for shelf in best(np.flatnonzero(near > 0), near[near > 0], len(near)).rows:
            rows, _, _ = shelves.heads(np.array([shelf]), left, room)
            left[rows] = False
            found.append(rows)
            room -= len(rows)
            if not room:
                break
        return _ordered(np.concatenate([np.zeros(0, np.int64), *found]))

    def nearness(self, visited: Floats) -> Floats:
        """`[c]` how near each category is to the visited ones: half as near with each step along the tree.

        Args:
            visited: `[c]` the attention that each had.
        """
        attention = np.zeros(len(self._above))
        attention[: len(visited)] = visited
        for level in reversed(self._levels):  # upwards
            np.maximum.at(attention, self._above[level], STEP * attention[level])
        for level in self._levels:  # and down again
            attention[level] = np.maximum(attention[level], STEP * attention[self._above[level]])
        return attention[: len(visited)].astype(np.float32)


class Diverse:
    """Picks from categories that the user has met little: drawn by chance, the same all day for the same user."""

    name = "diverse"

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves

    def find(self, demand: Demand) -> Candidates:
        """Items drawn: a category by 1 / (1 + its part of the attention)², in it an item, the popular ones sooner."""
        shelves = self._shelves
        sizes = np.diff(shelves.bounds)
        if not sizes.any():
            return _ordered(np.zeros(0, np.int64))
        visited = shelves.visited(demand.viewer.history)
        unmet = (sizes > 0) / (1.0 + visited / max(float(visited.max(initial=0)), 1e-9) * len(sizes)) ** 2
        rng = _chance(demand.user_id, demand.time)
        drawn = np.searchsorted(np.cumsum(unmet / unmet.sum()), rng.random(TRIES * demand.k), side="right")
        drawn = np.minimum(drawn, len(sizes) - 1)
        place = (rng.random(len(drawn)) ** 2 * sizes[drawn]).astype(np.int64)
        rows = shelves.rows[np.minimum(shelves.bounds[drawn] + place, len(shelves.rows) - 1)].astype(np.int64)
        rows = rows[demand.allowed[rows]]
        rows = distinct(rows)[: demand.k]
        if len(rows) < demand.k:  # little is allowed: of that, whatever is left, by chance
            rest = demand.allowed[: len(shelves.shelved)] & shelves.shelved
            rest[rows] = False
            rows = np.concatenate([rows, rng.permutation(np.flatnonzero(rest))[: demand.k - len(rows)]])
        return _ordered(rows)


def _chance(user_id: str, moment: float | None) -> np.random.Generator:
    """The same numbers for a user through a day."""
    day = int((time.time() if moment is None else moment) // DAY)
    digest = blake2b(f"{user_id}\0{day}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _ordered(rows: Ints) -> Candidates:
    """Rows whose place is all that is known of them."""
    return Candidates(rows, np.linspace(1.0, 0.0, len(rows), endpoint=False, dtype=np.float32))
