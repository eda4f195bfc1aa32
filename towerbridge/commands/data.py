"""`towerbridge import`, `validate` and `stats`: raw files into the catalogue, and what is in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from towerbridge.options import (
    DataOption,
    DatasetArgument,
    DatasetOption,
    EventsOption,
    ItemsOption,
    JsonOption,
    SeedOption,
    UsersOption,
    settings,
)

if TYPE_CHECKING:
    from catalog.importer import ImportReport
    from towerbridge.workspace import Workspace


def import_(
    ctx: typer.Context,
    dataset: DatasetArgument = None,
    data: DataOption = None,
    items: ItemsOption = None,
    users: UsersOption = None,
    events: EventsOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a data set into MongoDB; a second time changes nothing."""
    from towerbridge import stages
    from towerbridge.progress import progress

    workspace, sized = _asked(ctx, dataset, data, items=items, users=users, events=events, seed=seed)
    with workspace.store() as store, progress() as bars:
        report = stages.import_data(workspace, store, bars, data, sized)
    _show(report, as_json)


def validate(
    ctx: typer.Context,
    dataset: DatasetArgument = None,
    data: DataOption = None,
    items: ItemsOption = None,
    users: UsersOption = None,
    events: EventsOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a data set as import would, store nothing, report its problems; exit code 1 on a bad row."""
    from towerbridge import stages
    from towerbridge.nowhere import NowhereStore
    from towerbridge.progress import progress

    workspace, sized = _asked(ctx, dataset, data, items=items, users=users, events=events, seed=seed)
    with progress() as bars:
        report = stages.import_data(workspace, NowhereStore(), bars, data, sized)
    _show(report, as_json)
    if report.counts.quarantined:
        raise typer.Exit(1)


def stats(ctx: typer.Context, dataset: DatasetOption = None, as_json: JsonOption = False) -> None:
    """Count what the catalogue of a data set holds, and how much of it has vectors."""
    from towerbridge import stages
    from towerbridge.output import print_json, table
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    with workspace.stores() as (store, embeddings):
        report = stages.statistics(workspace.dataset, store, embeddings)
    if as_json:
        print_json(report)
    else:
        table(("what", "how many"), [(name.replace("_", " "), value) for name, value in report.items()])


def _asked(
    ctx: typer.Context, dataset: str | None, data: Path | None, **size: int | None
) -> tuple[Workspace, bool]:
    """The workspace that the flags describe, and whether they ask for a size."""
    from towerbridge.workspace import Workspace

    sizes = {f"simulated__{name}": value for name, value in size.items()}
    return Workspace(settings(ctx, dataset=dataset, data=data, **sizes)), any(
        value is not None for value in size.values()
    )


def _show(report: ImportReport, as_json: bool) -> None:
    from catalog.problems import describe
    from towerbridge.output import duration, note, print_json, table
    from towerbridge.stages import counts_in_words

    if as_json:
        document: dict[str, Any] = asdict(report)
        print_json(document)
        return
    table(
        ("file", "read", "new", "changed", "as before", "bad", "time"),
        [
            (
                each.name,
                each.read,
                each.inserted,
                each.updated,
                each.unchanged,
                each.bad,
                duration(each.seconds),
            )
            for each in report.files
        ],
    )
    counts = report.counts
    print(f"{report.dataset}: {counts_in_words(counts)}")
    for bad in report.bad:
        note(f"bad row: {describe(bad)}")
    if counts.quarantined > len(report.bad):
        note(f"and more: {counts.quarantined:,} bad rows in all, set aside in the collection `quarantine`")
