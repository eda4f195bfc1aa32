"""Measuring as the command line does it: the version that serves, or several trained for it; reports that are kept.

    .towerbridge/reports/<dataset>/<version>.json

holds what has been measured of a version so far: a protocol that is measured again replaces its figures, the others
stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towerbridge import learning
from towerbridge.output import plain
from towerbridge.workspace import Workspace, imported

if TYPE_CHECKING:
    from catalog.mongo import MongoStore
    from catalog.progress import Progress
    from embeddings.mongo import MongoEmbeddingStore


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure."""

    protocols: Sequence[str]
    folds: int = 5
    """Of the rating protocol, how many of the five."""
    baselines: Sequence[str] | None = ()
    """None means all."""


def evaluate(
    workspace: Workspace,
    store: MongoStore,
    embeddings: MongoEmbeddingStore,
    wanted: Wanted,
    progress: Progress,
) -> dict[str, Any]:
    """Measure the version that serves; the object of `towerbridge evaluate --json`."""
    from bundle import versions

    imported(store, workspace.dataset)
    bundle = versions.current(workspace.bundles)
    report = _measured(workspace, store, embeddings, bundle, wanted, progress)
    _keep(workspace, report)
    return report


def evaluate_seeds(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, wanted: Wanted, count: int,
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Train and measure once per seed, from the configured one on; the versions stay, none is promoted."""
    from training.spread import over_seeds

    first = workspace.config.train.seed
    seeds, reports = range(first, first + count), []
    for seed in seeds:
        train = workspace.config.train.model_copy(update={"seed": seed})
        seeded = Workspace(workspace.config.model_copy(update={"train": train}))
        run = learning.train(seeded, store, embeddings, progress)
        path = learning.build(seeded, run.folder, progress, promote=False)
        reports.append(_measured(seeded, store, embeddings, path, wanted, progress))
        _keep(workspace, reports[-1])
    together = over_seeds(reports, seeds)
    _keep(workspace, together)
    return together


def path_of(workspace: Workspace, report: Mapping[str, Any]) -> Path:
    """Where a report is kept: by its version, or by the first of several."""
    versions = report["model_version"].split(", ")
    name = f"{versions[0]}-{len(versions)}-seeds" if "seeds" in report else versions[0]
    return workspace.reports / f"{name}.json"


def _keep(workspace: Workspace, report: Mapping[str, Any]) -> None:
    path = path_of(workspace, report)
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    together = dict(plain(report))
    for part in ("protocols", "details"):
        together[part] = {**known.get(part, {}), **together[part]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(together, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _measured(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, bundle: Path, wanted: Wanted,
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    from towerbridge import quiet
    from training.dataset import TrainingData

    with quiet.native():
        from training.baselines.registry import BASELINES
        from training.evaluate import evaluate

    return evaluate(
        bundle, TrainingData.load(store, embeddings), wanted.protocols,
        config=learning.train_config(workspace), folds=range(1, wanted.folds + 1),
        baselines=tuple(BASELINES) if wanted.baselines is None else wanted.baselines, progress=progress,
    )  # fmt: skip
