"""A few questions of the next-item protocol as they were asked and answered, to be looked at.

Users are drawn at random with a fixed seed; nobody is chosen for a good answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.reader import Bundle
from catalog.records import Item
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import Query
from training.answers import TOP
from training.dataset import TrainingData
from training.protocols import next_item

SEED = 7
DEEPEST = 500


@dataclass(frozen=True, slots=True)
class Example:
    """One user, what they were shown, and what they took."""

    user_id: str
    events: int
    """Length of the history."""
    history: tuple[Item, ...]
    """Its latest items, latest first."""
    shown: tuple[Item, ...]
    """The first ten, best first."""
    taken: Item
    place: int | None
    """Of what was taken, counted from 1; None where it is not among the first 500."""


def examples(bundle: Bundle, data: TrainingData, count: int = 6, latest: int = 6) -> list[Example]:
    """Questions put to a shipped bundle through the pipeline that serves it.

    Args:
        bundle: has learned from the training part of the data.
        data: log and catalogue.
        count: users to draw.
        latest: items of each history that are told.
    """
    asked = next_item.exam(data).tables["next_item"]
    pipeline = Pipeline(bundle)
    drawn = np.random.default_rng(SEED).permutation(len(asked))[:count]
    found = []
    for question in sorted(drawn.tolist()):
        state = asked.state(question)
        rows = pipeline.recommend(state, Query(limit=DEEPEST)).rows.tolist()
        taken = int(asked.right[question])
        recent = dict.fromkeys(state.history.rows[::-1].tolist())
        found.append(
            Example(
                data.users[int(asked.users[question])].user_id,
                len(state.history.rows),
                tuple(data.items[row] for row in list(recent)[:latest]),
                tuple(data.items[row] for row in rows[:TOP]),
                data.items[taken],
                rows.index(taken) + 1 if taken in rows else None,
            )
        )
    return found
