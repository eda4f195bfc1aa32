"""`towerbridge evaluate`: what the serving bundle is worth."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from towerbridge.options import DatasetOption, DeviceOption, EpochsOption, JsonOption, SeedOption, settings


class Protocol(StrEnum):
    """What to measure, as it is typed."""

    next_item = "next-item"
    rating = "rating"
    global_time = "global-time"
    cold_item = "cold-item"
    new_user = "new-user"
    all = "all"


DEFAULT = [Protocol.next_item, Protocol.rating]
"""What needs no other towers than those that serve."""


def evaluate(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    protocol: Annotated[
        list[Protocol] | None,
        typer.Option("--protocol", help="what to measure; may be repeated  [default: next-item and rating]"),
    ] = None,
    baselines: Annotated[bool, typer.Option("--baselines", help="measure all baselines beside it")] = False,
    baseline: Annotated[
        list[str] | None, typer.Option("--baseline", metavar="NAME", help="or only this one; may be repeated")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help="train and measure so many times, and tell mean and spread"),
    ] = None,
    folds: Annotated[
        int,
        typer.Option("--folds", min=1, max=5, help="rating: how many of the five folds to train and test on"),
    ] = 5,
    users: Annotated[
        int | None,
        typer.Option(
            "--users", min=1, help="ask about at most so many, drawn evenly from all  [default: 5000]"
        ),
    ] = None,
    device: DeviceOption = None,
    epochs: EpochsOption = None,
    seed: SeedOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="write a report too: a page for .html, Markdown for .md, else JSON",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the serving version through the serving pipeline, beside baselines."""
    from towerbridge import measure
    from towerbridge.figures import left_out
    from towerbridge.output import note, print_json
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    workspace = Workspace(
        settings(ctx, dataset=dataset, device=device, train__epochs=epochs, train__seed=seed)
    )
    wanted = measure.Wanted(
        _names(protocol or DEFAULT), folds, None if baselines else tuple(baseline or ()), users
    )
    with workspace.stores() as (store, embeddings), progress() as bars:
        if seeds is None:
            found = measure.evaluate(workspace, store, embeddings, wanted, bars)
        else:
            found = measure.evaluate_seeds(workspace, store, embeddings, wanted, seeds, bars)
        if report is not None:
            measure.write(report, workspace, store, embeddings, found, bars)
    if as_json:
        print_json(found)
        return
    print(f"{found['dataset']}, model {found['model_version']}")
    show(found)
    for sentence in left_out(found):
        note(f"left out: {sentence}")
    note(f"kept in {measure.path_of(workspace, found)}")


def show(found: Mapping[str, Any]) -> None:
    """Print an evaluation as tables and sentences, and say which columns a narrow terminal had no room for."""
    from towerbridge.figures import SPARE, tables, told_of_data, winners
    from towerbridge.output import note, table

    for sentence in told_of_data(found):
        print(sentence)
    hidden = [name for each in tables(found) for name in table(each.head, each.rows, spare=SPARE)]
    for sentence in winners(found):
        print(sentence)
    if hidden:
        columns = ", ".join(dict.fromkeys(hidden))
        note(f"a wider terminal also shows {columns}; --json and --report hold them all")


def _names(asked: list[Protocol]) -> tuple[str, ...]:
    wanted = [each for each in Protocol if each != Protocol.all] if Protocol.all in asked else asked
    return tuple(dict.fromkeys(each.value.replace("-", "_") for each in wanted))
