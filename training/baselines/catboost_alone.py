"""Boosted trees without a first stage: a classifier scores the whole catalogue, from numbers as of the moment.

So a feed is ranked where nothing is retrieved: an event that was shown and liked is right, one that was shown and not
liked is wrong, and whoever asks gets what is most likely to be liked. It reads what our own tabular rankers read,
less the two numbers that come of retrieval; all of these are counts of events before the moment, so that any
training event can be learned from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.errors import NotReadyError
from catalog.records import Candidates, Floats, History, Ints
from towers.cross import ItemColumns
from towers.features import FeatureSpace
from towers.tabular import feed_names, liked, tabular_features
from training.answers import Scores
from training.baselines.baseline import Learned
from training.baselines.tokens import feature_space
from training.learners import fit_catboost
from training.questions import Questions
from training.running import Statistics
from training.texts import texts_of

RETRIEVED = frozenset({"similarity", "closeness"})
"""Features that only a first stage can tell."""


@dataclass(frozen=True, slots=True)
class CatboostAlone:
    """Trees over users and items as they were at each event."""

    drawn: int = 0
    """Items drawn beside each that was taken, as wrong ones; 0: what was shown and not liked is wrong."""
    examples: int = 20_000
    """Events that are learned from at most, drawn from all."""

    def fit(self, learned: Learned) -> Scores:
        """Boost.

        Raises:
            NotReadyError: there are no events to learn from.
        """
        numbers = _Numbers(learned)
        rows, right = self._examples(learned, numbers)
        score = fit_catboost(rows, right, np.ones(len(rows), np.float32), learned.seed).score
        everything, newest = np.arange(len(learned.data.items)), float(learned.log.times.max(initial=0.0))

        def scores(asked: Questions) -> Floats:
            found = np.empty((len(asked), len(everything)), np.float32)
            for question in range(len(asked)):
                begin, end = int(asked.begin[question]), int(asked.end[question])
                history, time = asked.data.log.history(begin, end), asked.time(question)
                user = int(asked.users[question])
                found[question] = score(
                    numbers.of(user, history, newest if time is None else time, everything)
                )
            return found

        return scores

    def _examples(self, learned: Learned, numbers: _Numbers) -> tuple[Floats, NDArray[np.bool_]]:
        """Numbers `[rows, features]` and whether each row is right."""
        data, log, rng = learned.data, learned.data.log, np.random.default_rng(learned.seed)
        training = learned.split.training(log)
        events = np.flatnonzero(training & data.targets())
        if not len(events):
            raise NotReadyError(
                f"expected events to learn a classifier from in {data.schema.name}, found none"
            )
        if len(events) > self.examples:
            events = np.sort(rng.choice(events, self.examples, replace=False))
        pairs = log.user_rows * len(data.items) + log.item_rows
        said = liked(numbers.space, log.history(0, len(log))) & training
        right = np.isin(pairs[events], pairs[said])
        # Where all or none of what was shown was liked, only what was not shown can be wrong.
        drawn = self.drawn or int(right.all() or not right.any())
        found, labels = [], []
        for event, was_liked in zip(events.tolist(), right.tolist(), strict=True):
            user, time = int(log.user_rows[event]), float(log.times[event])
            history = log.history(int(learned.split.begin[user]), event)
            others = np.setdiff1d(rng.integers(0, len(data.items), drawn), log.item_rows[event])
            others = numbers.met(others, time)  # what nobody had met by then was not passed over
            rows = np.append(log.item_rows[event], others)
            found.append(numbers.of(user, history, time, rows))
            labels.append(np.arange(len(rows)) == 0 if drawn else [was_liked])
        return np.concatenate(found), np.concatenate(labels)


class _Numbers:
    """The features of a feed as of any moment."""

    def __init__(self, learned: Learned) -> None:
        data = learned.data
        self.space: FeatureSpace = feature_space(learned)
        tokens = [self.space.user_inputs(user, 0)["user_tokens"] for user in (*data.users, None)]
        self._tokens = np.concatenate(tokens)  # strangers are user -1, the last row
        log = data.log.take(learned.split.training(data.log))
        items, numeric = self.space.item_inputs(data.items)
        self._statistics = Statistics(log, self.space, items, self._tokens)
        self._texts, _ = texts_of(data.items)
        groups = self.space.user_slots if self.space.users else 0
        names = feed_names(self._texts.clusters.shape[1], groups)
        self._names = tuple(name for name in names if name not in RETRIEVED)
        self._columns = _no_neighbours(items, numeric, learned.popularity)

    def met(self, rows: Ints, time: float) -> Ints:
        """Those that somebody had met before."""
        return rows[self._statistics.items.before(rows, time).events > 0]

    def of(self, user: int, history: History, time: float, rows: Ints) -> Floats:
        """`[rows, features]` of some items for a user, as of a moment."""
        moment = self._statistics.moment(history, time, rows, self._tokens[user])
        found = Candidates(rows, np.zeros(len(rows), np.float32))
        return tabular_features(self._names, self.space, found, moment, self._columns, self._texts)


def _no_neighbours(tokens: NDArray[np.int32], numeric: Floats, popularity: Floats) -> ItemColumns:
    """Items that nothing is known of by their neighbours."""
    count = len(tokens)
    rows, weights = np.zeros((count, 0), np.int32), np.zeros((count, 0), np.float32)
    ids = np.zeros(count, np.int32)
    return ItemColumns(tokens, numeric, ids, popularity, rows, weights, rows, weights, rows, weights)
