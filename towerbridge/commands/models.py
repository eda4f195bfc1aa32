"""`towerbridge models`, `promote` and `rollback`: the versions of a bundle and which one serves."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towerbridge.options import DatasetOption, JsonOption, settings

if TYPE_CHECKING:
    from bundle.manifest import Manifest
    from bundle.registry import Model

SHOWN = ("ndcg@10", "hit_rate@10", "recall@500", "rmse")
"""Figures that the list of models has room for."""


def models(ctx: typer.Context, dataset: DatasetOption = None, as_json: JsonOption = False) -> None:
    """List the model versions, oldest first, with their offline metrics."""
    from towerbridge.output import print_json, table
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    with workspace.registry() as registry:
        found = registry.models()
    if as_json:
        print_json({"dataset": workspace.dataset, "models": [_described(each) for each in found]})
        return
    if not found:
        print(f"no models of {workspace.dataset} yet: `towerbridge demo`, or `train` and `build`, makes one")
        return
    rows = []
    for each in found:
        counts = each.manifest.counts if each.manifest else None
        sizes = (counts.items, counts.users, counts.interactions) if counts else (None, None, None)
        figures = "  ".join(_figures(each.manifest)) if each.manifest else None
        name = each.version + (" *" if each.promoted else "")
        rows.append((name, each.state, *sizes, figures, each.reason or None))
    head = ("version (* serves)", "state", "items", "users", "interactions", "on validation", "because")
    table(head, rows, workspace.dataset)


def promote(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="as `towerbridge models` lists it")],
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version the one that serves; it is opened and checked first."""
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    with workspace.registry() as registry:
        registry.verify(version, "cli")
        registry.promote(version, "cli")
    _tell(workspace.dataset, version, as_json)


def rollback(ctx: typer.Context, dataset: DatasetOption = None, as_json: JsonOption = False) -> None:
    """Go back to the version that served before; it is opened and checked first."""
    from bundle.versions import earlier
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    with workspace.registry() as registry:
        for last in earlier(workspace.bundles)[-1:]:
            registry.verify(last, "cli")
        version = registry.rollback("cli").name
    _tell(workspace.dataset, version, as_json)


def prune(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="so many of the latest stay; else as [schedule] says")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old versions and training runs; never what serves, nor the version before it."""
    from towerbridge import learning
    from towerbridge.output import print_json
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset, schedule__keep=keep))
    pruned = learning.prune(workspace, workspace.config.schedule.keep)
    if as_json:
        print_json({"dataset": workspace.dataset, **asdict(pruned)})
    else:
        gone = [f"removed version {name}" for name in pruned.versions]
        gone += [f"removed run {name}" for name in pruned.runs]
        print("\n".join(gone) or f"{workspace.dataset} has nothing that is old enough to be removed")


def _tell(dataset: str, version: str, as_json: bool) -> None:
    from towerbridge.output import print_json

    if as_json:
        print_json({"dataset": dataset, "current": version})
    else:
        print(f"{version} serves {dataset} now")


def _described(model: Model) -> dict[str, Any]:
    """One version for programs."""
    keys = {"version", "created", "counts", "heads", "rank_by", "encoders", "index", "metrics"}
    said = model.manifest.model_dump(mode="json", include=keys) if model.manifest else {}
    return {
        "version": model.version, **said, "current": model.promoted, "state": model.state,
        "reason": model.reason, "changes": [asdict(change) for change in model.changes],
    }  # fmt: skip


def _figures(manifest: Manifest) -> list[str]:
    """Validation figures of the order that a version ships, and of its ratings."""
    validation = manifest.metrics.get("validation")
    if not isinstance(validation, dict):
        return []
    shipped = validation.get(manifest.rank_by)
    figures = {**(shipped if isinstance(shipped, dict) else {}), "rmse": validation.get("rmse")}
    return [f"{name} {figures[name]:.4f}" for name in SHOWN if isinstance(figures.get(name), float)]
