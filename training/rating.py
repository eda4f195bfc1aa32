"""Fits the rating head on all values of the training events.

An example's history is everything else that its user has valued, before and after: the head masks the
example itself. A twentieth of the values, drawn at random, decides when to stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from catalog.records import Ints
from towers.frameworks import keras
from towers.layers import tensors
from towers.ranker import RatingModel
from towers.rating import RatingEnsemble, RatingHead
from training.config import TrainConfig
from training.course import Course
from training.fit import Fitted, fit
from training.metrics import rmse
from training.order import ranker_sizes
from training.retriever import Retriever
from training.windows import Batch

HELD = 0.05
ENOUGH = 100
"""Values below which there is no rating head."""


@dataclass(frozen=True, slots=True)
class Rated:
    """Fitted rating heads."""

    heads: RatingEnsemble
    fitted: Fitted
    rmse: float
    """On the held-out twentieth."""


def fit_rating(retriever: Retriever, config: TrainConfig, course: Course) -> Rated | None:
    """Train the heads; None where there are to be none, or the data set has no values to learn from."""
    data, split = retriever.data, retriever.split
    if not config.ranker.rating_members:
        return None
    name = data.schema.rating_type()
    if name is None:
        course.remark("No interaction type has values, so no ratings are predicted.")
        return None
    kind, code = data.schema.interactions[name], data.schema.type_code(name)
    log = data.log
    events = np.flatnonzero(split.training(log) & (log.types == code) & ~np.isnan(log.values))
    if len(events) < ENOUGH:
        course.remark(
            f"Of {ENOUGH} values that are needed to predict ratings there are {len(events):,}, so none are."
        )
        return None
    if len(np.unique(log.values[events])) == 1:
        course.remark(
            f"All {len(events):,} values are {log.values[events[0]]:g}, so no ratings are predicted."
        )
        return None
    rng = np.random.default_rng(config.seed + 2)
    shuffled = rng.permutation(events)
    held, learned = np.split(shuffled, [int(len(events) * HELD)])
    assert kind.bounds is not None, name
    keras.utils.set_random_seed(config.seed + 2)
    mean = float(log.values[learned].mean())
    heads = RatingEnsemble([
        RatingHead(ranker_sizes(retriever), mean, *kind.bounds, config.ranker.rating_factors)
        for _ in range(config.ranker.rating_members)
    ])  # fmt: skip
    model = RatingModel(heads, config.ranker.rating_reg)
    columns = RatedColumns(retriever, learned)

    def batches() -> Iterator[Batch]:
        order = rng.permutation(learned)
        for at in range(0, len(order), config.rating_batch_size):
            yield columns.batch(order[at : at + config.rating_batch_size])

    def validate() -> float:
        predicted = [
            model.predict_values(tensors(columns.batch(held[at : at + 2048]))).numpy()
            for at in range(0, len(held), 2048)
        ]
        return -rmse(log.values[held], np.concatenate(predicted))

    fitted = fit(
        model, label="ranker, rating", batches=batches, rng=rng, steps=-(-len(learned) // config.rating_batch_size),
        examples=len(learned), validate=validate, epochs=config.rating_epochs,
        learning_rate=config.rating_learning_rate, patience=2, validate_every=1, course=course,
    )  # fmt: skip
    return Rated(heads, fitted, -fitted.best)


class RatedColumns:
    """The rating head's inputs for events of a log."""

    def __init__(self, retriever: Retriever, events: Ints) -> None:
        """Prepare histories of the given events' users from those events alone."""
        data, space = retriever.data, retriever.space
        self._retriever = retriever
        self._rows = np.zeros((len(data.users), space.rated), np.int32)
        self._values = np.zeros((len(data.users), space.rated), np.float32)
        log = data.log.take(np.sort(events))
        bounds = log.user_bounds(len(data.users))
        for user in range(len(data.users)):
            history = log.history(int(bounds[user]), int(bounds[user + 1]))
            inputs = space.rated_inputs(history, retriever.columns.embedding_rows)
            self._rows[user], self._values[user] = inputs["rated_rows"][0], inputs["rated_values"][0]

    def batch(self, events: Ints) -> Batch:
        """Inputs and the value to predict, one row per event."""
        log, columns, users = self._retriever.data.log, self._retriever.columns, self._retriever.users
        user, item = log.user_rows[events], log.item_rows[events]
        return {
            "user_row": users.row[user],
            "user_tokens": users.tokens[user],
            "rated_rows": self._rows[user],
            "rated_values": self._values[user],
            "item_row": columns.embedding_rows[item],
            "item_tokens": columns.tokens[item],
            "item_numeric": columns.numeric[item],
            "value": log.values[events],
        }
