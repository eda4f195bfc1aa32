"""`towerbridge models`, `promote` and `rollback`: the versions of a bundle and which one serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from towerbridge.options import DatasetOption, JsonOption, settings

if TYPE_CHECKING:
    from bundle.manifest import Manifest

SHOWN = ("ndcg@10", "hit_rate@10", "recall@500", "rmse")
"""Figures that the list of models has room for."""


def models(ctx: typer.Context, dataset: DatasetOption = None, as_json: JsonOption = False) -> None:
    """List the model versions, oldest first, with their offline metrics."""
    from bundle.versions import versions
    from towerbridge.output import print_json, table
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    found = versions(workspace.bundles)
    if as_json:
        keys = {"version", "created", "counts", "heads", "rank_by", "encoders", "index", "metrics"}
        print_json({
            "dataset": workspace.dataset,
            "models": [
                {**each.manifest.model_dump(mode="json", include=keys), "current": each.current}
                for each in found
            ],
        })  # fmt: skip
        return
    if not found:
        print(f"no models of {workspace.dataset} yet: `towerbridge demo`, or `train` and `build`, makes one")
        return
    rows = []
    for each in found:
        counts = each.manifest.counts
        figures = "  ".join(_figures(each.manifest))
        name = each.name + (" *" if each.current else "")
        rows.append((name, counts.items, counts.users, counts.interactions, figures))
    table(("version (* serves)", "items", "users", "interactions", "on validation"), rows, workspace.dataset)


def promote(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="as `towerbridge models` lists it")],
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version the one that serves; it is opened and checked first."""
    from bundle import versions
    from bundle.reader import Bundle
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    folder = workspace.bundles
    if any(each.name == version for each in versions.versions(folder)):
        Bundle.open(folder / version).replay_probes()
    versions.promote(folder, version)
    _tell(workspace.dataset, version, as_json)


def rollback(ctx: typer.Context, dataset: DatasetOption = None, as_json: JsonOption = False) -> None:
    """Go back to the version that served before."""
    from bundle import versions
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    _tell(workspace.dataset, versions.rollback(workspace.bundles).name, as_json)


def _tell(dataset: str, version: str, as_json: bool) -> None:
    from towerbridge.output import print_json

    if as_json:
        print_json({"dataset": dataset, "current": version})
    else:
        print(f"{version} serves {dataset} now")


def _figures(manifest: Manifest) -> list[str]:
    """Validation figures of the order that a version ships, and of its ratings."""
    validation = manifest.metrics.get("validation")
    if not isinstance(validation, dict):
        return []
    shipped = validation.get(manifest.rank_by)
    figures = {**(shipped if isinstance(shipped, dict) else {}), "rmse": validation.get("rmse")}
    return [f"{name} {figures[name]:.4f}" for name in SHOWN if isinstance(figures.get(name), float)]
