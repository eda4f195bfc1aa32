"""The stages of the chain as plain functions on open stores, for the single commands and for `demo`.

Each names what it needs of the settings and leaves what it made on disk or in MongoDB; nothing is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towerbridge.workspace import Workspace, imported

if TYPE_CHECKING:
    from catalog.importer import ImportReport
    from catalog.mongo import MongoStore
    from catalog.progress import Progress
    from catalog.records import BadRow
    from catalog.store import CatalogStore, Counts
    from embeddings.mongo import MongoEmbeddingStore


def import_data(
    workspace: Workspace,
    store: CatalogStore,
    progress: Progress,
    data: Path | None = None,
    sized: bool = False,
    *,
    told: Callable[[BadRow], None] = lambda row: None,
    replace: bool = False,
) -> ImportReport:
    """Read the data set of the settings into a store.

    For `data` and `sized` see `Workspace.open_dataset`, for `told` and `replace` `import_dataset`.
    """
    from catalog.importer import import_dataset
    from towerbridge.output import note

    opened = workspace.open_dataset(data, sized, note)
    return import_dataset(opened, store, progress, told=told, replace=replace)


def counts_in_words(counts: Counts) -> str:
    """`1,682 items, 943 users, 100,000 interactions`."""
    return f"{counts.items:,} items, {counts.users:,} users, {counts.interactions:,} interactions"


def folder_in_words(folder: Path) -> str:
    """The number and the size of the files below a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"


def statistics(dataset: str, store: MongoStore, embeddings: MongoEmbeddingStore) -> dict[str, Any]:
    """Counts of the catalogue and, by modality, how many items have a vector."""
    from embeddings.job import content_vectors

    schema = imported(store, dataset)
    counts = asdict(store.counts())
    items = list(store.items())
    for modality in ("text", "image"):
        vectors = content_vectors(items, "text" if modality == "text" else "image", embeddings)
        counts[f"items_with_{modality}_vector"] = int(vectors.mask.sum())
    return {"dataset": dataset, **counts, "generated": schema.generated, "missing": schema.missing}
