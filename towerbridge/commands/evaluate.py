"""`towerbridge evaluate`: what the serving bundle is worth."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import typer

from towerbridge.options import DatasetOption, DeviceOption, EpochsOption, JsonOption, settings


class Protocol(StrEnum):
    """What to measure, as it is typed."""

    rating = "rating"
    next_item = "next-item"
    all = "all"


PROTOCOLS: dict[Protocol, tuple[Literal["next_item", "rating"], ...]] = {
    Protocol.rating: ("rating",),
    Protocol.next_item: ("next_item",),
    Protocol.all: ("next_item", "rating"),
}


def evaluate(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    protocol: Annotated[Protocol, typer.Option("--protocol", help="what to measure")] = Protocol.all,
    folds: Annotated[
        int,
        typer.Option("--folds", min=1, max=5, help="rating: how many of the five folds to train and test on"),
    ] = 5,
    device: DeviceOption = None,
    epochs: EpochsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the serving version through the serving pipeline, beside the most popular items."""
    from towerbridge import stages
    from towerbridge.output import print_json, table
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset, device=device, train__epochs=epochs))
    with workspace.stores() as (store, embeddings), progress() as bars:
        report = stages.evaluate(workspace, store, embeddings, PROTOCOLS[protocol], folds, bars)
    if as_json:
        print_json(report)
        return
    print(f"{report['dataset']}, model {report['model_version']}")
    for head, rows in stages.figures(report):
        table(head, rows)
