"""What a method answered to questions, as far as metrics need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.progress import SILENT, Progress
from catalog.records import Floats, Ints
from serving.recommend.query import UserState
from training.metrics import MISSED, Judged, rank_of
from training.questions import Questions

TOP = 10
"""Items at the head of each list that coverage, Gini and novelty look at."""
CELLS = 1 << 21
"""Scores that are held at once."""
Scores = Callable[[Questions], Floats]
"""Scores `[n, items]`, higher is better; what may not be answered is hidden by the caller."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All lists of one method."""

    judged: Judged
    top: Ints
    """`[n, TOP]` rows, -1 where a list is shorter."""


def answer_states(
    asked: Questions, answer: Callable[[UserState], Ints], progress: Progress = SILENT
) -> Answers:
    """Ask one user at a time, as requests do; `answer` gives rows, best first."""
    ranks, listed = np.full(len(asked.right), MISSED), np.zeros(len(asked), np.int64)
    top = np.full((len(asked), TOP), -1, np.int64)
    bounds = np.searchsorted(asked.owner, np.arange(len(asked) + 1))
    for question in range(len(asked)):
        rows = answer(asked.state(question))
        listed[question] = len(rows)
        top[question, : min(TOP, len(rows))] = rows[:TOP]
        for pair in range(bounds[question], bounds[question + 1]):
            ranks[pair] = rank_of(rows, int(asked.right[pair]))
        progress.advance(1)
    return Answers(Judged(ranks, asked.owner, listed, asked.candidates()), top)


def answer_scores(
    asked: Questions, scores: Scores, popularity: Floats, progress: Progress = SILENT
) -> Answers:
    """Ask for everybody's scores and rank all candidates.

    Equal scores are put in order of `popularity [items]`, as anybody would who ships such a method, and those of
    equal popularity at random, anew for each question: the order of rows must tell nothing.
    """
    items, rng = len(asked.data.items), np.random.default_rng(0)
    ranks, tops = [], []
    for some in asked.chunks(max(1, CELLS // max(1, items))):
        hidden = some.hide(np.array(scores(some), np.float32))
        beside = popularity + rng.random(
            hidden.shape
        )  # counts, so that a random share of one only decides ties
        order = np.lexsort((-beside, -hidden), axis=1)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(items)[None, :], axis=1)
        ranks.append(place[some.owner, some.right])
        top = order[:, :TOP]
        tops.append(_padded(np.where(np.isfinite(np.take_along_axis(hidden, top, 1)), top, -1)))
        progress.advance(len(some))
    candidates = asked.candidates()
    empty = np.zeros((0, TOP), np.int64)
    found = np.concatenate([np.zeros(0, np.int64), *ranks])
    return Answers(Judged(found, asked.owner, candidates, candidates), np.concatenate([empty, *tops]))


def _padded(top: NDArray[np.int64]) -> Ints:
    return np.pad(top, ((0, 0), (0, TOP - top.shape[1])), constant_values=-1)
