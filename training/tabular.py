"""Fits a tabular ranker: logistic regression or boosted trees over named numbers, exported by their own exporters.

It learns from the same lists as the order head of the networks: what the early towers returned before events that
they have not seen. A candidate that nobody had met by then is no wrong answer, it was not there yet; all statistics
are as of the event (`training.running`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.probes import Probe
from bundle.tabular import RankerCard, Tabular, Texts
from catalog.records import Candidates, Floats, History, Ints
from towers.tabular import SIX, feed_names, tabular_features
from training.config import TrainConfig
from training.course import Course
from training.learners import Learner, fit_catboost, fit_logistic
from training.lists import Lists, training_lists, validation_lists
from training.metrics import MISSED, summary
from training.retriever import Retriever, validation_users
from training.running import Statistics
from training.texts import texts_of

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
    """Validation metrics of the ranked order, over the same pools.

    The AUC of both is that of right items above the others of their pools.
    """

    @property
    def lifts(self) -> bool:
        """Whether the ranked order is better."""
        return self.ranked["ndcg@10"] > self.retrieval["ndcg@10"]


class AsOf:
    """Describes candidates as they were before each event of a log."""

    def __init__(self, retriever: Retriever, statistics: Statistics, texts: Texts, kind: str) -> None:
        """Prepare to describe what a retriever returns.

        Args:
            retriever: its towers and columns.
            statistics: of all training events.
            texts: of the items.
            kind: of the ranker.
        """
        self._retriever, self._statistics, self._texts = retriever, statistics, texts
        groups = retriever.space.user_slots if retriever.space.users else 0
        self.names = SIX if kind == "logistic" else feed_names(texts.clusters.shape[1], groups)

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
        return tabular_features(self.names, space, found, moment, self._retriever.columns, self._texts)


def fit_tabular(
    early: Retriever, final: Retriever, config: TrainConfig, course: Course
) -> TabularOrder | None:
    """Learn from what the early retriever returned, measure on what the final one does.

    Returns:
        None where nobody has enough events to learn from.
    """
    kind, rng = config.ranker.kind, np.random.default_rng(config.seed + 1)
    # Statistics of all training events, as of each row: the early towers' own end long before.
    log = final.data.log.take(final.split.training(final.data.log))
    statistics = Statistics(log, final.space, final.columns.tokens, final.users.tokens)
    texts, themes = texts_of(final.data.items)
    seen = AsOf(early, statistics, texts, kind)
    examples = training_lists(early, final.split.end, seen, config, rng, course.progress)
    users = validation_users(final.split, config, rng)
    pools = validation_lists(final, users, AsOf(final, statistics, texts, kind), config.candidates)
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
    judged = learned.score(pools.cross.reshape(-1, len(seen.names))).reshape(pools.rows.shape)
    some = rows[rng.choice(len(rows), min(PROBES, len(rows)), replace=False)]
    return TabularOrder(
        Tabular(card, statistics.facts(texts), themes), learned.onnx,
        Probe({"features": some}, {"score": learned.score(some)}),
        validated(pools, -np.broadcast_to(np.arange(pools.rows.shape[1], dtype=np.float32), pools.rows.shape)),
        validated(pools, judged),
    )  # fmt: skip


def validated(pools: Lists, values: Floats) -> dict[str, float]:
    """Metrics of the order that values `[lists, size]` put the pools in."""
    return {**summary(ranks(pools, values)), "auc": auc(pools, values)}


def ranks(pools: Lists, values: Floats) -> Ints:
    """Rank `[lists]` of the right item in each pool by values `[lists, size]`; MISSED where it is not in it."""
    found = np.full(len(pools.users), MISSED, np.int64)
    for at in np.flatnonzero(pools.chosen >= 0):
        there = values[at, pools.rows[at] >= 0]
        found[at] = (there > there[pools.chosen[at]]).sum()
    return found


def auc(pools: Lists, values: Floats) -> float:
    """Mean chance that the right item's value `[lists, size]` is above another's in its pool, ties counting half."""
    reached = []
    for at in np.flatnonzero(pools.chosen >= 0):
        mine, own = values[at, pools.rows[at] >= 0], values[at, pools.chosen[at]]
        if len(mine) > 1:
            reached.append(((mine < own).sum() + 0.5 * ((mine == own).sum() - 1)) / (len(mine) - 1))
    return float(np.mean(reached)) if reached else 0.5
