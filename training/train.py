"""One training run: towers to ship, towers for the ranker, the ranker: two heads, or a tabular one.

The ranker must learn from retrieval's mistakes on events that retrieval has not seen. So the towers are
fitted twice: on all training events, and without each user's last ones, which the ranker then learns from.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from catalog.errors import NotReadyError
from catalog.progress import SILENT, Progress
from serving.observe.runs import CURVES
from towers.cross import CROSS
from towers.device import use_device
from towers.features import FeatureSpace
from towers.frameworks import keras
from training.checkpoint import Started, Unfinished
from training.config import TrainConfig
from training.course import Course
from training.dataset import TrainingData
from training.export import export
from training.notes import shortcomings
from training.order import Ordered, fit_order
from training.questions import Questions, validation_questions
from training.rating import fit_rating
from training.retriever import Retriever, fit_retriever
from training.run import Run
from training.sources.choice import decided
from training.split import Split, next_item
from training.tabular import TabularOrder, fit_tabular
from training.tracking import UNTRACKED, Tracker


def train(
    data: TrainingData,
    config: TrainConfig,
    folder: Path,
    progress: Progress = SILENT,
    *,
    split: Split | None = None,
    deciding: Questions | None = None,
    tracker: Tracker = UNTRACKED,
) -> Run:
    """Fit all models and leave a run in `folder`; goes on where a killed training of the same run stood.

    Args:
        data: what to learn from.
        config: how.
        folder: where the run goes.
        progress: told of every batch.
        split: what to learn from and what to validate on; that of the next-item protocol where none is given.
        deciding: what is asked to choose what orders the answers; the validation events where none are given.
        tracker: told of every epoch.

    Raises:
        NotReadyError: too few interactions to learn anything.
        ConfigError: the device asked for is not there, or the folder holds the beginning of another run.
    """
    strategy = use_device(config.device)
    split = split or next_item(data)
    if not (split.validation >= 0).any():
        raise NotReadyError(
            f"expected users with at least three items to learn from in {data.schema.name}, found none among "
            f"{len(data.users)} users and {len(data.log)} interactions; import more interactions"
        )
    with Unfinished(folder, Started.now(data, split, config)) as unfinished:
        tracker.begin(folder.name, data.schema.name, asdict(config))
        try:
            course = Course(progress, tracker, unfinished.checkpoints, list(shortcomings(data, split)))
            with strategy.scope():
                asked = validation_questions(data, split) if deciding is None else deciding
                run = fit_all(data, split, asked, config, folder, course)
        except BaseException as error:  # whatever ends it, SystemExit of a SIGTERM too
            tracker.stop(error)
            raise
        unfinished.finish()
    return run


def fit_all(
    data: TrainingData, split: Split, deciding: Questions, config: TrainConfig, folder: Path, course: Course
) -> Run:
    """The fits in their order, the export, and the choice of what orders the answers."""
    space = feature_space(data, split, config)
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        # Each from the same seed: a stage must not depend on whether those before it were trained or restored.
        keras.utils.set_random_seed(config.seed)
        began = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - began, 2)

    with stage("towers"):
        retriever = fit_retriever(data, space, split, config, "towers", course)
    with stage("early towers"):
        early = fit_early(retriever, config, course)
    with stage("order"):
        order = fit_ranker(early, retriever, config, course)
    rating = None
    if isinstance(order, Ordered):  # a tabular ranker predicts no ratings
        with stage("rating"):
            rating = fit_rating(retriever, config, course)
    run = export(retriever, order, rating, config, seconds, course.notes, folder)
    run = decided(run, deciding, config, course)
    fitted = {
        "towers for the ranker": early.fitted,
        "towers": retriever.fitted,
        "ranker, order": order.fitted if isinstance(order, Ordered) else None,
    }
    if rating:
        fitted["ranker, rating"] = rating.fitted
    curves = {name: each.curve for name, each in fitted.items() if each}
    (folder / CURVES).write_text(json.dumps(curves, default=float), "utf-8")
    course.tracker.end(run.summary, curves)
    return run


def fit_ranker(
    early: Retriever, final: Retriever, config: TrainConfig, course: Course
) -> Ordered | TabularOrder:
    """The ranker that is configured; where a tabular one has nothing to learn from, networks that do not ship."""
    tabular = None if config.ranker.kind == "tfrs" else fit_tabular(early, final, config, course)
    return tabular or fit_order(early, final, config, course)


def feature_space(data: TrainingData, split: Split, config: TrainConfig) -> FeatureSpace:
    """Vocabularies and scales of all items and of the users that are learned from."""
    learned = data.log.user_rows[split.training(data.log)]
    return FeatureSpace.fit(
        data.schema, data.items, (data.users[u] for u in np.unique(learned)), config.history, CROSS
    )


def fit_early(final: Retriever, config: TrainConfig, course: Course) -> Retriever:
    """Towers that have not seen each user's last training events, trained for as long as those that ship.

    They do not choose when to stop: what they would be validated on comes long after what they learn from.
    """
    epochs = max(1, final.fitted.best_epoch)
    as_long = replace(config, epochs=epochs, validate_every=epochs)
    held_back = final.split.held_back(final.data, config.held_out)
    return fit_retriever(final.data, final.space, held_back, as_long, "towers for the ranker", course)
