"""The stages of the chain as plain functions on open stores, for the single commands and for `demo`.

Each names what it needs of the settings and leaves what it made on disk or in MongoDB; nothing is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towerbridge.workspace import Workspace, imported

if TYPE_CHECKING:
    from catalog.importer import ImportReport
    from catalog.mongo import MongoStore
    from catalog.progress import Progress
    from catalog.store import CatalogStore, Counts
    from embeddings.job import EmbedReport
    from embeddings.mongo import MongoEmbeddingStore
    from towerbridge.config import Config
    from training.config import TrainConfig
    from training.evaluate import Protocol
    from training.run import Run

Embedded = dict[str, tuple[str | None, "EmbedReport | None"]]
"""By modality: the encoder's name and its report; both None where the modality is masked."""


def import_data(
    workspace: Workspace,
    store: CatalogStore,
    progress: Progress,
    data: Path | None = None,
    sized: bool = False,
) -> ImportReport:
    """Read the data set of the settings into a store; for `data` and `sized` see `Workspace.open_dataset`."""
    from catalog.importer import import_dataset
    from towerbridge.output import note

    return import_dataset(workspace.open_dataset(data, sized, note), store, progress)


def embed(
    workspace: Workspace,
    store: MongoStore,
    embeddings: MongoEmbeddingStore,
    progress: Progress,
    retry_failed: bool = False,
) -> Embedded:
    """Encode what is new in the catalogue, and make these encoders the ones that training uses."""
    from embeddings import choose
    from embeddings.job import embed, select

    imported(store, workspace.dataset)
    config = workspace.config
    text, image = choose.open_encoders(
        config.encoders.text, config.encoders.image, config.data, config.device
    )
    done: Embedded = {}
    items = store.counts().items
    for modality, encoder in (("text", text), ("image", image)):
        if encoder is None:
            done[modality] = None, None
        else:
            progress.start(f"encode {modality}", items)
            report = embed(
                store.items(), encoder, embeddings, config.encoders.batch_size, progress, retry_failed
            )
            done[modality] = encoder.name, report
        select(embeddings, "text" if modality == "text" else "image", encoder)
    return done


def embedded_as_json(embedded: Embedded) -> dict[str, Any]:
    """What `embed --json` says of each modality."""
    return {
        modality: {"encoder": name} if report is None else {"encoder": name, **asdict(report)}
        for modality, (name, report) in embedded.items()
    }


def counts_in_words(counts: Counts) -> str:
    """`1,682 items, 943 users, 100,000 interactions`."""
    return f"{counts.items:,} items, {counts.users:,} users, {counts.interactions:,} interactions"


def embedded_in_words(embedded: Embedded) -> str:
    """`text 1,682 of 1,682 items, image masked`."""
    words = []
    for modality, (_, report) in embedded.items():
        if report is None:
            words.append(f"{modality} masked")
        else:
            words.append(f"{modality} {report.encoded + report.reused:,} of {report.items:,} items")
    return ", ".join(words)


def folder_in_words(folder: Path) -> str:
    """The number and the size of the files below a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"


def statistics(dataset: str, store: MongoStore, embeddings: MongoEmbeddingStore) -> dict[str, Any]:
    """Counts of the catalogue and, by modality, how many items have a vector."""
    from embeddings.job import content_vectors

    imported(store, dataset)
    counts = asdict(store.counts())
    items = list(store.items())
    for modality in ("text", "image"):
        vectors = content_vectors(items, "text" if modality == "text" else "image", embeddings)
        counts[f"items_with_{modality}_vector"] = int(vectors.mask.sum())
    return {"dataset": dataset, **counts}


def train(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, progress: Progress
) -> Run:
    """Fit towers and ranker; the run's folder is new under the workspace."""
    from towerbridge import quiet
    from training.dataset import TrainingData

    imported(store, workspace.dataset)
    with quiet.native():
        from training.train import train

    folder = workspace.runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return train(TrainingData.load(store, embeddings), train_config(workspace.config), folder, progress)


def train_config(config: Config) -> TrainConfig:
    """The knobs of a run: the defaults, less what the settings say otherwise."""
    from training.config import TrainConfig

    given = config.train.model_dump(exclude_none=True)
    knobs = TrainConfig(device=config.device)
    if "embedding_size" in given:
        given["towers"] = replace(knobs.towers, embedding_size=given.pop("embedding_size"))
    if "epochs" in given:
        # One dial for all three fits: whoever asks for a short run does not mean the towers alone.
        given["rating_epochs"] = min(knobs.rating_epochs, given["epochs"])
        given["order_epochs"] = min(knobs.order_epochs, given["epochs"])
    return replace(knobs, **given)


def build(workspace: Workspace, run: Path | None, progress: Progress, promote: bool) -> Path:
    """Seal a run, by default the latest, and make it the version that serves."""
    from bundle import versions
    from training.build import build
    from training.run import Run

    progress.start("index", None)
    path = build(Run.open(run or workspace.latest_run()), workspace.bundles)
    if promote:
        versions.promote(workspace.bundles, path.name)
    return path


def evaluate(
    workspace: Workspace,
    store: MongoStore,
    embeddings: MongoEmbeddingStore,
    protocols: Sequence[Protocol],
    folds: int,
    progress: Progress,
) -> dict[str, Any]:
    """Measure the version that serves; the object of `towerbridge evaluate --json`."""
    from bundle import versions
    from towerbridge import quiet
    from training.dataset import TrainingData

    imported(store, workspace.dataset)
    bundle = versions.current(workspace.bundles)
    with quiet.native():
        from training.evaluate import evaluate

    return evaluate(
        bundle, TrainingData.load(store, embeddings), protocols,
        config=train_config(workspace.config), folds=range(1, folds + 1), progress=progress,
    )  # fmt: skip


def figures(report: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], list[tuple[object, ...]]]]:
    """The tables of an evaluation: heads and rows, one table a protocol."""
    protocols = report["protocols"]
    if found := protocols.get("next_item"):
        names = list(next(iter(found.values())))
        rows = [
            (method.replace("_", " "), *(figure.get(name) for name in names))
            for method, figure in found.items()
        ]
        yield ("next item, full ranking", *names), rows
    if found := protocols.get("rating"):
        folds = found.get("folds", {})
        yield ("rating", *folds, "mean"), [("RMSE", *folds.values(), found.get("mean"))]
