"""`towerbridge train` and `build`: from the catalogue to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from towerbridge.options import (
    DatasetOption,
    DeviceOption,
    EpochsOption,
    JsonOption,
    SeedOption,
    settings,
)

RunOption = Annotated[
    Path | None, typer.Option("--run", metavar="DIR", help="folder of a training run; else the latest")
]


def train(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    device: DeviceOption = None,
    epochs: EpochsOption = None,
    seed: SeedOption = None,
    ranker: Annotated[
        str | None,
        typer.Option("--ranker", metavar="tfrs|logistic|catboost", help="what puts candidates in order"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the latest run, which was stopped, as it was begun")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit the towers and the ranker on everything in the catalogue; stops early on validation.

    A run that was stopped goes on by --resume. Runs are tracked in MLflow where it is installed.
    """
    from towerbridge import learning
    from towerbridge.figures import reads
    from towerbridge.output import note, print_json, table
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    if resume and (epochs, seed, ranker) != (None, None, None):
        raise typer.BadParameter("a run goes on with the settings it was begun with", param_hint="--resume")
    workspace = Workspace(
        settings(
            ctx, dataset=dataset, device=device, train__epochs=epochs, train__seed=seed, train__ranker=ranker
        )
    )
    if not resume and (left := workspace.unfinished_run()):
        note(f"an unfinished run is left in {left}; `towerbridge train --resume` would go on with it")
    with workspace.stores() as (store, embeddings), progress() as bars:
        run = learning.train(workspace, store, embeddings, bars, resume=resume)
    notes = learning.notes(run)
    card = run.tabular.card.model_dump() if run.tabular else None
    if as_json:
        print_json(
            {
                "dataset": workspace.dataset,
                "run": str(run.folder),
                "metrics": run.summary.metrics,
                "notes": notes,
                **({"ranker": card} if card else {}),
            }
        )
        return
    for sentence in notes:
        note(sentence)
    table(*learning.validated(run))
    if card:
        features = reads(card)
        table(features.head, features.rows)
    if where := learning.tracking_store(workspace):
        note(f"tracked in MLflow: `mlflow ui --backend-store-uri {where.uri}` shows it")
    print(f"trained on {workspace.dataset}: {run.folder}; `towerbridge build` makes a bundle of it")


def build(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    run: RunOption = None,
    promote: Annotated[bool, typer.Option(help="make it the version that serves")] = True,
    as_json: JsonOption = False,
) -> None:
    """Seal a training run into a bundle that serving can open."""
    from towerbridge import learning
    from towerbridge.output import print_json
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    with progress() as bars:
        path = learning.build(workspace, run, bars, promote)
    if as_json:
        print_json(
            {"dataset": workspace.dataset, "version": path.name, "path": str(path), "current": promote}
        )
    else:
        print(f"built {path}" + (f"; it serves {workspace.dataset} now" if promote else ""))
