"""One training run: towers for the ranker, towers to ship, the ranker's two heads.

The ranker must learn from retrieval's mistakes on events that retrieval has not seen. So the towers are
fitted twice: without each user's last training events, which the ranker then learns from, and with them.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from catalog.errors import NotReadyError
from catalog.progress import SILENT, Progress
from towers.device import use_device
from towers.features import FeatureSpace
from towers.frameworks import keras
from training.config import TrainConfig
from training.dataset import TrainingData
from training.export import export
from training.order import fit_order
from training.rating import fit_rating
from training.retriever import fit_retriever
from training.run import Run
from training.split import Split, next_item


def train(
    data: TrainingData,
    config: TrainConfig,
    folder: Path,
    progress: Progress = SILENT,
    *,
    split: Split | None = None,
) -> Run:
    """Fit all models and leave a run in `folder`.

    Args:
        data: what to learn from.
        config: how.
        folder: where the run goes.
        progress: told of every epoch.
        split: what to learn from and what to validate on; that of the next-item protocol where none is given.

    Raises:
        NotReadyError: too few interactions to learn anything.
        ConfigError: the device asked for is not there.
    """
    use_device(config.device)
    split = split or next_item(data)
    if not (split.validation >= 0).any():
        raise NotReadyError(
            f"expected users with at least three items to learn from in {data.schema.name}, found none among "
            f"{len(data.users)} users and {len(data.log)} interactions; import more interactions"
        )
    learned = data.log.user_rows[split.training(data.log)]
    known = np.unique(learned)
    space = FeatureSpace.fit(data.schema, data.items, (data.users[u] for u in known), config.history)
    seconds: dict[str, float] = {}

    def timed(name: str, began: float) -> None:
        seconds[name] = round(time.perf_counter() - began, 2)

    began = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    early = fit_retriever(
        data, space, split.held_back(data, config.held_out), config, "towers for the ranker", progress
    )
    timed("early towers", began)
    began = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    retriever = fit_retriever(data, space, split, config, "towers", progress)
    timed("towers", began)
    began = time.perf_counter()
    order = fit_order(early, retriever, config, progress)
    timed("order", began)
    began = time.perf_counter()
    rating = fit_rating(retriever, config, progress)
    timed("rating", began)
    return export(retriever, order, rating, config, seconds, folder)
