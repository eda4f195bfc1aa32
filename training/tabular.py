"""Fits a tabular ranker: logistic regression or boosted trees over named numbers, exported by their own exporters.

It learns from the same lists as the order head of the networks: what the early towers returned before events that
they have not seen. A candidate that nobody had met by then is no wrong answer, it was not there yet; all statistics
are as of the event (`training.running`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.probes import Probe
from bundle.tabular import Facts, RankerCard, Tabular
from catalog.records import Candidates, Floats, History, Ints
from towers.tabular import SIX, Moment, feed_names, liked, tabular_features
from training.config import TrainConfig
from training.course import Course
from training.dataset import TrainingData
from training.learners import Learner, fit_catboost, fit_logistic
from training.lists import Lists, training_lists, validation_lists
from training.metrics import MISSED, summary
from training.retriever import Retriever, validation_users
from training.running import Running
from training.texts import clusters

LEARNERS: dict[str, Learner] = {"logistic": fit_logistic, "catboost": fit_catboost}
TELLING = 0.95
"""AUC of a single feature from which on it is said that it may know the answer."""
PROBES = 64


@dataclass(frozen=True, slots=True)
class TabularOrder:
    """A fitted tabular ranker and what it is worth."""

    part: Tabular
    onnx: bytes
    probe: Probe
    retrieval: dict[str, float]
    """Validation metrics of the retrieval order."""
    ranked: dict[str, float]
    """Validation metrics of the ranked order, over the same pools."""

    @property
    def lifts(self) -> bool:
        """Whether the ranked order is better."""
        return self.ranked["ndcg@10"] > self.retrieval["ndcg@10"]


class AsOf:
    """Describes candidates as they were before each event of a log."""

    def __init__(self, retriever: Retriever, statistics: Statistics, facts: Facts, kind: str) -> None:
        """Prepare to describe what a retriever returns.

        Args:
            retriever: its towers and columns.
            statistics: of all training events.
            facts: of texts.
            kind: of the ranker.
        """
        self._retriever, self._statistics, self._facts = retriever, statistics, facts
        groups = retriever.space.user_slots if retriever.space.users else 0
        self.names = SIX if kind == "logistic" else feed_names(facts.clusters.shape[1], groups)

    def known(self, found: Candidates, event: int) -> Candidates:
        """Candidates that somebody had met before."""
        time = float(self._retriever.data.log.times[event])
        there = self._statistics.items.before(found.rows, time).events > 0
        return Candidates(found.rows[there], found.scores[there])

    def features(self, found: Candidates, history: History, event: int) -> Floats:
        """As of the event's time, of which the event itself is no part."""
        log, space = self._retriever.data.log, self._retriever.space
        moment = self._statistics.moment(
            history, float(log.times[event]), found.rows, self._retriever.users.tokens[log.user_rows[event]]
        )
        return tabular_features(self.names, space, found, moment, self._retriever.columns, self._facts)


class Statistics:
    """Running counts of items and of users' tokens over the training events."""

    def __init__(self, retriever: Retriever) -> None:
        """Count the events that the retriever's split learns from."""
        data = retriever.data
        log = data.log.take(retriever.split.training(data.log))
        said = liked(retriever.space, log.history(0, len(log)))
        tokens = retriever.users.tokens[log.user_rows].astype(np.int64)
        slots = tokens.shape[1]
        self.items = Running(log.item_rows, log.times, said, len(data.items))
        self.groups = Running(
            tokens.ravel(), np.repeat(log.times, slots), np.repeat(said, slots), retriever.space.user_tokens
        )
        self._all = Running(np.zeros(len(log), np.int64), log.times, said, 1)

    def moment(self, history: History, time: float, rows: Ints, tokens: NDArray[np.int32]) -> Moment:
        """What is known of a user and of candidates before a time."""
        everything = self._all.before(np.zeros(1, np.int64), time)
        overall = float(everything.liked[0] / max(float(everything.events[0]), 1.0))
        groups = self.groups.before(tokens.astype(np.int64), time)
        return Moment(history, time, self.items.before(rows, time), groups, overall)


def fit_tabular(
    early: Retriever, final: Retriever, config: TrainConfig, course: Course
) -> TabularOrder | None:
    """Learn from what the early retriever returned, measure on what the final one does.

    Returns:
        None where nobody has enough events to learn from.
    """
    kind, rng = config.ranker.kind, np.random.default_rng(config.seed + 1)
    # Statistics of all training events, as of each row: the early towers' own end long before.
    statistics = Statistics(final)
    facts = facts_of(final.data, statistics)
    seen = AsOf(early, statistics, facts, kind)
    examples = training_lists(early, final.split.end, seen, config, rng, course.progress)
    users = validation_users(final.split, config, rng)
    pools = validation_lists(final, users, AsOf(final, statistics, facts, kind), config.candidates)
    if not len(examples.users) or not len(pools.users):
        return None
    rows = examples.cross.reshape(-1, len(seen.names))
    taken = (np.arange(examples.cross.shape[1]) == 0)[None, :].repeat(len(examples.users), 0).ravel()
    course.progress.start(f"ranker, {kind}", None)
    learned = LEARNERS[kind](rows, taken, np.exp(examples.correction).ravel(), config.seed)
    alone = {name: auc(pools, pools.cross[:, :, at]) for at, name in enumerate(seen.names)}
    for name, reached in alone.items():
        if max(reached, 1 - reached) > TELLING:
            course.remark(
                f"The feature {name} alone puts right items above others with an AUC of {reached:.2f}: "
                "look whether it knows the answer."
            )
    card = RankerCard(
        kind=kind, features=seen.names, alone=alone,  # type: ignore[arg-type]
        importances=dict(zip(seen.names, learned.importances.tolist(), strict=True)),
    )  # fmt: skip
    some = rows[rng.choice(len(rows), min(PROBES, len(rows)), replace=False)]
    return TabularOrder(
        Tabular(card, facts), learned.onnx, Probe({"features": some}, {"score": learned.score(some)}),
        summary(np.where(pools.chosen >= 0, pools.chosen, MISSED)), summary(ranks(pools, learned.score)),
    )  # fmt: skip


def facts_of(data: TrainingData, statistics: Statistics) -> Facts:
    """What is known of items and groups at the end of training."""
    items, groups = statistics.items.in_the_end(), statistics.groups.in_the_end()
    texts = [f"{item.title} {item.text}".strip() for item in data.items]
    lengths = np.array([len(text) for text in texts], np.float32)
    return Facts(items.events, items.liked, lengths, clusters(texts), groups.events, groups.liked)


def ranks(pools: Lists, score: Callable[[Floats], Floats]) -> Ints:
    """Rank `[lists]` of the right item in each pool; MISSED where it is not in it."""
    found = np.full(len(pools.users), MISSED, np.int64)
    for at in np.flatnonzero(pools.chosen >= 0):
        there = pools.rows[at] >= 0
        scores = score(pools.cross[at, there])
        found[at] = (scores > scores[pools.chosen[at]]).sum()
    return found


def auc(pools: Lists, values: Floats) -> float:
    """Mean chance that the right item's value `[lists, size]` is above another's in its pool, ties counting half."""
    reached = []
    for at in np.flatnonzero(pools.chosen >= 0):
        mine, own = values[at, pools.rows[at] >= 0], values[at, pools.chosen[at]]
        if len(mine) > 1:
            reached.append(((mine < own).sum() + 0.5 * ((mine == own).sum() - 1)) / (len(mine) - 1))
    return float(np.mean(reached)) if reached else 0.5
