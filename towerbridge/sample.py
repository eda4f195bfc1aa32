"""A data set in memory, imported and encoded, without a database: for notebooks and experiments.

Which one, how large, and by which encoders the settings say, as everywhere: `TOWERBRIDGE_DATASET=movielens-100k`,
`TOWERBRIDGE_SIMULATED_ITEMS=300`, `TOWERBRIDGE_ENCODERS_TEXT=hashing`.
"""

from __future__ import annotations

import os
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
    from training.dataset import TrainingData


def in_memory(dataset: str | None = None) -> TrainingData:
    """The data set of the settings, or another one, as training reads it."""
    from training.dataset import TrainingData

    workspace = Workspace(load(None, os.environ, {"dataset": dataset}))
    store, vectors = MemoryStore(), MemoryEmbeddingStore()
    import_dataset(workspace.open_dataset(None, False, note), store)
    encoding.embed(workspace, store, vectors, SILENT)
    return TrainingData.load(store, vectors)
