"""Whether predicted ratings mean what they say: of those that were promised four stars, how many did people give?

The bundle that serves predicts the rating of each user's test event from all before it, none of which it has learned
from. Predictions are put in bins of equal number; a bin is calibrated where the mean of what was given is the mean of
what was predicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.reader import Bundle
from catalog.progress import SILENT, Progress
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import UserState
from training.dataset import TrainingData
from training.metrics import Doubles, rmse
from training.split import next_item

BINS = 10
LEAST = 30
"""Ratings in a bin: with fewer the mean of a bin says little."""
Z = 1.96
"""Standard errors to each side of a mean within which it lies in 95 of 100 cases."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Ratings that were predicted about alike."""

    predicted: float
    """Mean of the predictions."""
    given: float
    """Mean of what people gave."""
    error: float
    """Half the width of that mean's 95 % confidence interval."""
    ratings: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of all ratings that were asked for."""

    bins: tuple[Bin, ...]
    """From the lowest predictions to the highest."""
    rmse: float
    lowest: float
    """Of the scale of the data set …"""
    highest: float


def calibrate(bundle: Bundle, data: TrainingData, progress: Progress = SILENT) -> Calibration | None:
    """How a shipped bundle's predictions compare with what people gave in the test; None without enough of both."""
    name = data.schema.rating_type()
    if name is None or (bounds := data.schema.interactions[name].bounds) is None:
        return None
    split, pipeline = next_item(data), Pipeline(bundle)
    asked = [
        (user, at)
        for user, at in enumerate(split.test.tolist())
        if at >= 0 and data.log.types[at] == data.schema.type_code(name)
    ]
    predicted, given = [], []
    progress.start("calibration", len(asked))
    for user, at in asked:
        history = data.log.history(int(split.begin[user]), at)
        state = UserState(data.users[user], history, np.unique(history.rows))
        answer = pipeline.rank(state, [data.item_ids.ids[int(data.log.item_rows[at])]])
        if answer.ratings is not None:
            predicted.append(float(answer.ratings[0]))
            given.append(float(data.log.values[at]))
        progress.advance(1)
    if len(predicted) < LEAST:
        return None
    predictions, gifts = np.array(predicted), np.array(given)
    return Calibration(tuple(binned(predictions, gifts)), rmse(gifts, predictions), *bounds)


def binned(predicted: Doubles, given: Doubles, most: int = BINS, least: int = LEAST) -> list[Bin]:
    """Pairs of numbers in bins of about equal number, by prediction: at most `most`, of `least` pairs at least."""
    count = max(1, min(most, len(predicted) // least))
    bins = []
    for rows in np.array_split(np.argsort(predicted, kind="stable"), count):
        deviation = float(np.std(given[rows], ddof=1)) if len(rows) > 1 else 0.0
        bins.append(
            Bin(
                float(predicted[rows].mean()), float(given[rows].mean()),
                Z * deviation / float(np.sqrt(len(rows))), len(rows),
            )
        )  # fmt: skip
    return bins
