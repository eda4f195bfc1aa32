"""Running statistics: how often something was met, and liked, before any moment. Nothing later is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bundle.tabular import Facts, Texts
from catalog.records import History, InteractionLog, Ints
from towers.features import FeatureSpace
from towers.tabular import Counts, Moment, liked

Times = NDArray[np.float64]


class Running:
    """Counts of events by key `0 … keys - 1`."""

    def __init__(self, of: Ints, times: Times, liked: NDArray[np.bool_], keys: int) -> None:
        """Sort events once.

        Args:
            of: `[events]` the key of each.
            times: `[events]`.
            liked: `[events]`.
            keys: how many there are.
        """
        self._moments = np.unique(times)
        place = np.searchsorted(self._moments, times)
        code = of * (len(self._moments) + 1) + place
        order = np.argsort(code, kind="stable")
        self._code = code[order]
        self._liked = np.concatenate([[0], np.cumsum(liked[order])])
        self._begin = np.searchsorted(self._code, np.arange(keys + 1) * (len(self._moments) + 1))

    def before(self, keys: Ints, time: float) -> Counts:
        """Counts of each key's events earlier than a moment."""
        place = np.searchsorted(self._moments, time)
        end = np.searchsorted(self._code, keys * (len(self._moments) + 1) + place)
        begin = self._begin[keys]
        return Counts(
            (end - begin).astype(np.float32), (self._liked[end] - self._liked[begin]).astype(np.float32)
        )

    def in_the_end(self) -> Counts:
        """Counts of all events, one entry per key."""
        return self.before(np.arange(len(self._begin) - 1), np.inf)


class Statistics:
    """Running counts of items, of their tokens and of users' tokens over the events that are learned from."""

    def __init__(
        self, log: InteractionLog, space: FeatureSpace, items: NDArray[np.int32], users: NDArray[np.int32]
    ) -> None:
        """Count.

        Args:
            log: the events that are learned from.
            space: says which of them say liked.
            items: `[items, item_slots]` side features as tokens.
            users: `[users, user_slots]`.
        """
        said = liked(space, log.history(0, len(log)))
        self._tokens = items

        def by_token(tokens: NDArray[np.int32], count: int) -> Running:
            slots = tokens.shape[1]
            return Running(
                tokens.ravel().astype(np.int64), np.repeat(log.times, slots), np.repeat(said, slots), count
            )

        self.items = Running(log.item_rows, log.times, said, len(items))
        self.categories = by_token(items[log.item_rows], space.item_tokens)
        self.groups = by_token(users[log.user_rows], space.user_tokens)
        self._all = Running(np.zeros(len(log), np.int64), log.times, said, 1)

    def moment(self, history: History, time: float, rows: Ints, tokens: NDArray[np.int32]) -> Moment:
        """What is known of a user and of candidates before a time."""
        everything = self._all.before(np.zeros(1, np.int64), time)
        overall = float(everything.liked[0] / max(float(everything.events[0]), 1.0))
        categories = self.categories.before(self._tokens[rows].astype(np.int64), time)
        groups = self.groups.before(tokens.astype(np.int64), time)
        return Moment(history, time, self.items.before(rows, time), categories, groups, overall)

    def facts(self, texts: Texts) -> Facts:
        """What is known in the end."""
        items, categories, groups = (each.in_the_end() for each in (self.items, self.categories, self.groups))
        return Facts(
            items.events, items.liked, texts, categories.events, categories.liked, groups.events, groups.liked
        )
