"""A data set in memory, imported and encoded, and a model of it, without a database: for notebooks and experiments.

Which one, how large, and by which encoders the settings say, as everywhere: `TOWERBRIDGE_DATASET=movielens-100k`,
`TOWERBRIDGE_SIMULATED_ITEMS=300`, `TOWERBRIDGE_ENCODERS_TEXT=hashing`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.progress import SILENT
from embeddings.store import MemoryEmbeddingStore
from towerbridge import encoding
from towerbridge.config import load
from towerbridge.output import note
from towerbridge.workspace import Workspace

if TYPE_CHECKING:
    from training.config import TrainConfig
    from training.dataset import TrainingData


def in_memory(dataset: str | None = None) -> TrainingData:
    """The data set of the settings, or another one, as training reads it."""
    from training.dataset import TrainingData

    workspace = Workspace(load(None, os.environ, {"dataset": dataset}))
    store, vectors = MemoryStore(), MemoryEmbeddingStore()
    import_dataset(workspace.open_dataset(None, False, note), store)
    encoding.embed(workspace, store, vectors, SILENT)
    return TrainingData.load(store, vectors)


def quick() -> TrainConfig:
    """Knobs of a training that takes half a minute: far below those that are shipped, and so are its figures."""
    from training.config import TrainConfig

    return TrainConfig(
        epochs=4, validate_every=2, batch_size=16, learning_rate=3e-3, order_epochs=2, rating_epochs=2,
        order_examples=500, candidates=100, list_size=32, history=20,
    )  # fmt: skip


def sealed(data: TrainingData, config: TrainConfig) -> Path:
    """A bundle of a training on all but each user's last events: the folder, under `samples` of the workspace.

    What was made there before of the same data with the same knobs is not made again.
    """
    from bundle.manifest import NAME
    from training.build import build
    from training.checkpoint import fingerprint
    from training.split import next_item
    from training.train import train

    made_of = f"{fingerprint(data, next_item(data))} {config}".encode()
    samples = Workspace(load(None, os.environ, {})).home / "samples"
    folder = samples / hashlib.blake2b(made_of, digest_size=8).hexdigest()
    made = sorted(folder.glob(f"bundles/*/{NAME}"))
    return made[-1].parent if made else build(train(data, config, folder / "run"), folder / "bundles")
