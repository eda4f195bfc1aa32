"""Rating: what would each user give each item of a test fold? RMSE per fold, learning from the others.

The folds are random and not in order of time, so histories are made of the other folds' events alone. Official folds
where the data set has them (MovieLens-100k: `u1.base` → `u1.test` …), else five by hash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from bundle.reader import Bundle
from catalog.errors import NotReadyError
from catalog.progress import SILENT, Progress
from catalog.records import Floats, InteractionLog, Ints
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import UserState
from training.baselines.baseline import Learned, RatingBaseline
from training.baselines.registry import BASELINES
from training.build import build
from training.config import TrainConfig
from training.dataset import TrainingData
from training.metrics import rmse
from training.split import everything
from training.train import train

FOLDS = 5


def evaluate_rating(
    data: TrainingData,
    config: TrainConfig,
    folds: Iterable[int] = range(1, FOLDS + 1),
    baselines: Iterable[str] = (),
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """RMSE of a model trained for each fold, and of those baselines that predict ratings.

    The rating head reads nothing of the towers, so these are trained for one epoch only.

    Raises:
        NotReadyError: the data set has no ratings.
    """
    if data.schema.rating_type() is None:
        raise NotReadyError(
            f"expected a type with values in {data.schema.name}, found none: no ratings to predict"
        )
    assigned = fold_of_events(data)
    config = replace(config, epochs=1, order_epochs=1, order_examples=500)
    rated = {name: BASELINES[name][0] for name in baselines}
    errors: dict[str, dict[str, float]] = {"model": {}}
    for fold in folds:
        base, test = data.with_log(data.log.take(assigned != fold)), data.log.take(assigned == fold)
        with tempfile.TemporaryDirectory(prefix="towerbridge-fold-") as folder:
            run = train(base, config, Path(folder) / "run", progress, split=everything(base))
            bundle = Bundle.open(build(run, Path(folder)))
            errors["model"][f"u{fold}"] = fold_rmse(bundle, base, test, progress)
        for name, baseline in rated.items():
            if isinstance(baseline, RatingBaseline):
                progress.start(f"u{fold}, {name.replace('_', ' ')}", None)
                predict = baseline.fit_ratings(Learned.of(base, everything(base), config.seed))
                errors.setdefault(name, {})[f"u{fold}"] = predicted_rmse(predict, base, test)
    model, *others = (
        {"folds": each, "mean": float(np.mean(list(each.values())))} for each in errors.values()
    )
    return {**model, **({"baselines": dict(zip(list(errors)[1:], others, strict=True))} if others else {})}


def fold_rmse(bundle: Bundle, base: TrainingData, test: InteractionLog, progress: Progress = SILENT) -> float:
    """RMSE of a bundle on test ratings, every user's history being their events in the base."""
    pipeline = Pipeline(bundle)
    bounds, tests = base.log.user_bounds(len(base.users)), test.user_bounds(len(base.users))
    values, predicted = [], []
    users = np.flatnonzero(np.diff(tests) > 0)
    progress.start("ratings", len(users))
    for user in users.tolist():
        history = base.log.history(int(bounds[user]), int(bounds[user + 1]))
        state = UserState(base.users[user], history, np.unique(history.rows))
        begin, end = int(tests[user]), int(tests[user + 1])
        rated = begin + np.flatnonzero(~np.isnan(test.values[begin:end]))
        names = [base.item_ids.ids[row] for row in test.item_rows[rated]]
        answer = pipeline.rank(state, names, by="rating")
        assert answer.ratings is not None, "the bundle of a data set with ratings has a rating head"
        by_row = dict(zip(answer.rows.tolist(), answer.ratings.tolist(), strict=True))
        predicted += [by_row[row] for row in test.item_rows[rated].tolist()]
        values += test.values[rated].tolist()
        progress.advance(1)
    return rmse(np.array(values), np.array(predicted))


def predicted_rmse(
    predict: Callable[[Ints, Ints], Floats], base: TrainingData, test: InteractionLog
) -> float:
    """RMSE of a baseline on test ratings, its predictions held to the range of the data set."""
    rated = test.take(~np.isnan(test.values))
    name = base.schema.rating_type()
    assert name is not None, base.schema.name
    low, high = base.schema.interactions[name].bounds or (-np.inf, np.inf)
    return rmse(rated.values, np.clip(predict(rated.user_rows, rated.item_rows), low, high))


def fold_of_events(data: TrainingData) -> Ints:
    """The test fold `[events]` of each event with a value: the official one, else one of five by hash; 0 without."""
    if (data.log.folds > 0).any():
        return data.log.folds
    folds = np.zeros(len(data.log), np.int64)
    for event in np.flatnonzero(~np.isnan(data.log.values)).tolist():
        user = data.user_ids.ids[int(data.log.user_rows[event])]
        item = data.item_ids.ids[int(data.log.item_rows[event])]
        digest = blake2b(f"{user}\0{item}".encode(), digest_size=8).digest()
        folds[event] = int.from_bytes(digest, "big") % FOLDS + 1
    return folds
