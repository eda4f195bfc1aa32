"""`towerbridge import` and `stats`: raw files into the catalogue, and what is in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from towerbridge.options import (
    DataOption,
    DatasetArgument,
    DatasetOption,
    EventsOption,
    ItemsOption,
    JsonOption,
    ReplaceOption,
    SeedOption,
    SqlOption,
    UsersOption,
    settings,
)

if TYPE_CHECKING:
    from catalog.importer import ImportReport
    from towerbridge.workspace import Workspace

SHOWN = 10
"""Bad rows that an import shows."""


def import_(
    ctx: typer.Context,
    dataset: DatasetArgument = None,
    data: DataOption = None,
    items: ItemsOption = None,
    users: UsersOption = None,
    events: EventsOption = None,
    seed: SeedOption = None,
    sql: SqlOption = None,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a data set into MongoDB; a second time changes nothing."""
    from catalog.problems import describe
    from towerbridge import stages
    from towerbridge.output import note, print_json
    from towerbridge.progress import progress

    workspace, sized = asked(ctx, dataset, data, sql, items=items, users=users, events=events, seed=seed)
    with workspace.store() as store, progress() as bars:
        report = stages.import_data(workspace, store, bars, data, sized, replace=replace)
    if as_json:
        print_json(asdict(report))
        return
    show_report(report)
    for bad in report.bad[:SHOWN]:
        note(f"bad row: {describe(bad)}")
    if report.counts.quarantined:
        note(
            f"{report.counts.quarantined:,} bad rows in all, kept in the collection `quarantine`; "
            f"`towerbridge validate {workspace.config.dataset}` lists them"
        )


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
        return
    generated, missing = report.pop("generated"), report.pop("missing")
    table(("what", "how many"), [(name.replace("_", " "), value) for name, value in report.items()])
    if missing:
        print(f"Not there: {', '.join(missing)}.")
    for sentence in generated:
        print(sentence)


def asked(
    ctx: typer.Context, dataset: str | None, data: Path | None, sql: str | None, **size: int | None
) -> tuple[Workspace, bool]:
    """The workspace that the flags describe, and whether they ask for a size."""
    from towerbridge.workspace import Workspace

    sizes = {f"simulated__{name}": value for name, value in size.items()}
    return Workspace(settings(ctx, dataset=dataset, data=data, sql=sql, **sizes)), any(
        value is not None for value in size.values()
    )


def show_report(report: ImportReport) -> None:
    """What became of the rows of each file, what there is now, what is made up, and the problems by kind."""
    from catalog.problems import describe
    from towerbridge.output import duration, table
    from towerbridge.stages import counts_in_words

    head = ("file", "read", "new", "changed", "as before", "left out", "bad", "time")
    rows = [
        (
            each.name, each.read, each.inserted, each.updated, each.unchanged, each.left_out, each.bad,
            duration(each.seconds),
        )
        for each in report.files
    ]  # fmt: skip
    table(head, rows)
    print(f"{report.dataset}: {counts_in_words(report.counts)}")
    if report.implied:
        print(f"{report.implied:,} of the items and users are named by events only.")
    if report.missing:
        print(f"Not there: {', '.join(report.missing)}.")
    for sentence in report.generated:
        print(sentence)
    if report.problems:
        rows_of_problems = [
            (each.file, each.column or "-", each.count, describe(each.first), each.advice)
            for each in report.problems
        ]
        table(("file", "column", "bad rows", "the first of them", "what to do"), rows_of_problems)
