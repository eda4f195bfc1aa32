"""What the learned rankers among the baselines share: candidates of a first stage, and examples to learn from.

The first stage is recency-weighted EASE. As our own ranker does, they learn from what it returns for events that it
has not seen: it is fitted on all but each user's last training events for the examples, and on all of them to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.errors import NotReadyError
from catalog.records import Floats, Ints
from training.answers import Scores
from training.baselines.baseline import Learned
from training.baselines.ease_recency import EaseRecency
from training.questions import Questions

POOL = 500
"""Candidates that are ranked again; what lies below keeps the order of the first stage."""
WRONG = 31
"""Candidates that were not taken, in an example."""
EXAMPLES = 4_000
HELD = 20
"""Events at the end of each user's training part that the examples ask for."""
CHUNK = 256

Features = Callable[[Questions, int, Ints, Floats], Floats]
"""Numbers `[n, features]` of one question's candidate rows `[n]` and their first-stage scores `[n]`."""
Describe = Callable[[Learned], Features]
Judge = Callable[[Floats], Floats]
"""Scores `[n]` of candidates from their numbers."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Lists of candidates, of each of which the first was taken."""

    numbers: Floats
    """`[lists * (1 + WRONG), features]`"""

    @property
    def taken(self) -> NDArray[np.bool_]:
        """`[lists * (1 + WRONG)]`"""
        taken: NDArray[np.bool_] = np.arange(len(self.numbers)) % (1 + WRONG) == 0
        return taken

    @property
    def lists(self) -> Ints:
        """`[lists * (1 + WRONG)]` which list a row belongs to."""
        return np.arange(len(self.numbers)) // (1 + WRONG)


def examples(learned: Learned, describe: Describe) -> Examples:
    """Draw lists from what an early first stage returned.

    Raises:
        NotReadyError: there are no events to ask for, or too few items.
    """
    data, rng = learned.data, np.random.default_rng(learned.seed)
    early = learned.split.held_back(data, HELD)
    events = np.flatnonzero(learned.split.training(data.log) & ~early.training(data.log) & data.targets())
    if not len(events) or len(data.items) < 2 * (1 + WRONG):
        raise NotReadyError(
            f"expected events to learn a ranker from and {2 * (1 + WRONG)} items in {data.schema.name}, "
            f"found {len(events)} events and {len(data.items)} items"
        )
    if len(events) > EXAMPLES:
        events = np.sort(rng.choice(events, EXAMPLES, replace=False))
    users = data.log.user_rows[events]
    pairs = np.arange(len(events)), data.log.item_rows[events]
    asked = Questions.of(data, users, learned.split.begin[users], events, pairs)
    first = Learned.of(data, early, learned.seed)
    features = describe(first)
    found = []
    for some, question, scores in _pools(first, asked):
        pool = np.argsort(-scores)[:POOL]
        pool = pool[np.isfinite(scores[pool])]
        right = some.right[some.owner == question][:1]
        wrong = pool[pool != right]
        if len(wrong) == len(pool) or len(wrong) < WRONG:
            continue  # the first stage did not return it, so ranking would not have helped
        rows = np.concatenate([right, rng.choice(wrong, WRONG, replace=False)])
        found.append(features(some, question, rows, scores[rows]))
    return Examples(np.concatenate(found).astype(np.float32))


def reranked(learned: Learned, describe: Describe, judge: Judge) -> Scores:
    """Scores of the whole catalogue: the pool by the judge's order, above all others by the first stage's."""
    features = describe(learned)

    def scores(asked: Questions) -> Floats:
        found = []
        for some, question, first in _pools(learned, asked):
            order = np.argsort(-first)
            pool = order[:POOL][np.isfinite(first[order[:POOL]])]
            place = np.empty(len(first), np.float32)
            place[order] = -np.arange(len(first))
            judged = judge(features(some, question, pool, first[pool]))
            place[pool] = 1.0 + np.argsort(np.argsort(judged, kind="stable"))
            found.append(place)
        return np.stack(found) if found else np.zeros((0, len(learned.data.items)), np.float32)

    return scores


def _pools(learned: Learned, asked: Questions) -> Iterator[tuple[Questions, int, Floats]]:
    """Questions a chunk at a time: the chunk, the position in it, first-stage scores `[items]`, -inf where hidden."""
    first = EaseRecency(decay=8).fit(learned)
    # Where it has nothing to say, as without a history, popular items are the candidates.
    beside = 1e-6 * learned.popularity / max(1.0, float(learned.popularity.max()))
    for some in asked.chunks(CHUNK):
        scores = some.hide(first(some) + beside)
        for question in range(len(some)):
            yield some, question, scores[question]
