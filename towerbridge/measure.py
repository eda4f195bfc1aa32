"""Measuring as the command line does it: the version that serves, or several trained for it; reports that are kept.

    .towerbridge/reports/<dataset>/<version>.json

holds what has been measured of a version so far: a protocol that is measured again replaces its figures, the others
stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towerbridge import learning
from towerbridge.figures import markdown
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
    users: int | None = None
    """Asked about at most; None for as many as is usual."""


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
    wanted = _checked(wanted)
    bundle = versions.current(workspace.bundles)
    report = _measured(workspace, store, embeddings, bundle, wanted, progress)
    keep(workspace, report)
    return report


def evaluate_seeds(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, wanted: Wanted, count: int,
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Train and measure once per seed, from the configured one on; the versions stay, none is promoted."""
    from training.spread import over_seeds

    wanted = _checked(wanted)
    first = workspace.config.train.seed
    seeds, reports = range(first, first + count), []
    for seed in seeds:
        train = workspace.config.train.model_copy(update={"seed": seed})
        seeded = Workspace(workspace.config.model_copy(update={"train": train}))
        run = learning.train(seeded, store, embeddings, progress, go_on=True)
        path = learning.build(seeded, run.folder, progress, promote=False)
        reports.append(_measured(seeded, store, embeddings, path, wanted, progress))
        keep(workspace, reports[-1])
    together = over_seeds(reports, seeds)
    keep(workspace, together)
    return together


def path_of(workspace: Workspace, report: Mapping[str, Any]) -> Path:
    """Where a report is kept: by its version, or by the first of several."""
    versions = report["model_version"].split(", ")
    name = f"{versions[0]}-{len(versions)}-seeds" if "seeds" in report else versions[0]
    return workspace.reports / f"{name}.json"


def keep(workspace: Workspace, report: Mapping[str, Any]) -> None:
    """Add a report to what is known of its version already."""
    path = path_of(workspace, report)
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    together = dict(plain(report))
    for part in ("protocols", "details"):
        together[part] = {**known.get(part, {}), **together[part]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(together, ensure_ascii=False, indent=1) + "\n", "utf-8")


def write(
    path: Path, workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore,
    report: Mapping[str, Any], progress: Progress,
) -> None:  # fmt: skip
    """Write a report as its ending says: `.html` a page of all that is known of the version, `.md`, else JSON."""
    if path.suffix == ".html":
        whole = _page(workspace, store, embeddings, report, progress)
    elif path.suffix == ".md":
        whole = markdown(report)
    else:
        whole = json.dumps(plain(report), indent=1) + "\n"
    path.write_text(whole, "utf-8")


def _page(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, report: Mapping[str, Any],
    progress: Progress,
) -> str:  # fmt: skip
    from bundle.reader import Bundle
    from towerbridge.report.page import page
    from towerbridge.report.scene import Scene
    from training.dataset import TrainingData

    known = json.loads(path_of(workspace, report).read_text("utf-8"))
    bundle = Bundle.open(workspace.bundles / report["model_version"].split(", ")[0])
    scene = Scene.of(bundle, TrainingData.load(store, embeddings), progress)
    return page(known, scene, datetime.now(UTC))


def _checked(wanted: Wanted) -> Wanted:
    """The same with all baselines named; ConfigError now, and not after a training, where one cannot be had."""
    from towerbridge import quiet

    with quiet.native():
        from training.baselines import registry

    names = tuple(registry.BASELINES) if wanted.baselines is None else tuple(wanted.baselines)
    registry.check(names)
    return replace(wanted, baselines=names)


def _measured(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, bundle: Path, wanted: Wanted,
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    from towerbridge import quiet
    from training.dataset import TrainingData

    with quiet.native():
        from training.evaluate import evaluate
        from training.protocols.examine import MOST

    return evaluate(
        bundle, TrainingData.load(store, embeddings), wanted.protocols,
        config=learning.train_config(workspace), folds=range(1, wanted.folds + 1),
        baselines=wanted.baselines or (), users=wanted.users or MOST, progress=progress,
    )  # fmt: skip
