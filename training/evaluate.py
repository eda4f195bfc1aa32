"""Measures what is shipped: protocols asked of a bundle, through the pipeline that serves it.

Each protocol answers a dictionary of figures; `evaluate` puts them into the one object that
`towerbridge evaluate --json` prints. A protocol that has to train (the rating folds) builds bundles of its own in a
temporary folder and asks those.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bundle.reader import Bundle
from catalog.errors import BundleError, ConfigError
from catalog.progress import SILENT, Progress
from catalog.records import InteractionLog, Ints
from serving.pipeline import Pipeline, PipelineConfig, Query, UserState
from training.baselines import most_popular
from training.build import build
from training.config import TrainConfig
from training.dataset import TrainingData
from training.metrics import rank_of, rmse, summary
from training.split import Split, everything, next_item
from training.train import train

Protocol = Literal["next_item", "rating"]
PROTOCOLS: tuple[Protocol, ...] = ("next_item", "rating")
DEEPEST = 500
"""Answers that are looked at; the deepest metric is recall@500."""
FOLDS = 5


def evaluate(
    path: Path,
    data: TrainingData,
    protocols: Sequence[Protocol] = PROTOCOLS,
    *,
    config: TrainConfig | None = None,
    folds: Iterable[int] = range(1, FOLDS + 1),
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Figures of a bundle on its data set.

    Args:
        path: the bundle.
        data: what it was trained on, test events included.
        protocols: which to measure.
        config: of the trainings that the rating protocol needs.
        folds: which of the five folds the rating protocol trains and tests on.
        progress: told of users and epochs.
    """
    unknown = sorted(set(protocols) - set(PROTOCOLS))
    if unknown:
        raise ConfigError(f"expected protocols among {', '.join(PROTOCOLS)}, got {', '.join(unknown)}")
    bundle = Bundle.open(path)
    bundle.replay_probes()
    if bundle.items.ids != data.item_ids.ids:
        raise BundleError(
            f"expected the {len(bundle.items)} items of {path} in the store, found {len(data.item_ids)}; "
            "the catalogue has changed since: train and build again"
        )
    figures: dict[str, Any] = {}
    if "next_item" in protocols:
        figures["next_item"] = evaluate_next_item(bundle, data, progress)
    if "rating" in protocols and data.schema.rating_type():
        figures["rating"] = evaluate_rating(data, config or TrainConfig(), folds, progress)
    return {"dataset": bundle.manifest.dataset, "model_version": bundle.version, "protocols": figures}


def evaluate_next_item(bundle: Bundle, data: TrainingData, progress: Progress = SILENT) -> dict[str, Any]:
    """The next-item protocol on test events: the pipeline, its first stage alone, and most-popular."""
    split = next_item(data)
    users = np.flatnonzero(split.test >= 0)
    pipeline = Pipeline(bundle, PipelineConfig(candidates=DEEPEST))
    baseline = most_popular(data, split)

    def ranked(state: UserState) -> Ints:
        return pipeline.recommend(state, Query(limit=DEEPEST)).rows

    def retrieved(state: UserState) -> Ints:
        return pipeline.retrieve(state, Query(limit=DEEPEST)).rows

    methods: dict[str, Callable[[UserState], Ints]] = {
        "pipeline": ranked, "retrieval": retrieved, "most_popular": baseline,
    }  # fmt: skip
    ranks: dict[str, list[int]] = {name: [] for name in methods}
    progress.start("next item", len(users))
    for user in users.tolist():
        state = state_before(data, split, user, int(split.test[user]))
        wanted = int(data.log.item_rows[split.test[user]])
        for name, answer in methods.items():
            ranks[name].append(rank_of(answer(state), wanted))
        progress.advance(1)
    return {name: summary(found) for name, found in ranks.items()}


def evaluate_rating(
    data: TrainingData,
    config: TrainConfig,
    folds: Iterable[int] = range(1, FOLDS + 1),
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """The rating protocol: RMSE per fold and their mean, a model trained on the rest for each fold.

    The rating head reads nothing of the towers, so these are trained for one epoch only.
    """
    assigned = fold_of_events(data)
    config = replace(config, epochs=1, order_epochs=1, order_examples=500)
    errors: dict[str, float] = {}
    for fold in folds:
        with tempfile.TemporaryDirectory(prefix="towerbridge-fold-") as folder:
            base = data.with_log(data.log.take(assigned != fold))
            run = train(base, config, Path(folder) / "run", progress, split=everything(base))
            bundle = Bundle.open(build(run, Path(folder)))
            errors[f"u{fold}"] = fold_rmse(bundle, base, data.log.take(assigned == fold), progress)
    return {"folds": errors, "mean": float(np.mean(list(errors.values())))}


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


def state_before(data: TrainingData, split: Split, user: int, event: int) -> UserState:
    """What serving would know of a user just before an event of the log."""
    history = data.log.history(int(split.begin[user]), event)
    return UserState(data.users[user], history, np.unique(history.rows))
