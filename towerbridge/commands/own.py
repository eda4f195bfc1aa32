"""`towerbridge init` and `validate`: from files of one's own to a declaration, and to files without problems."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from towerbridge.commands.data import asked, show_report
from towerbridge.options import (
    DataOption,
    DatasetArgument,
    EventsOption,
    ItemsOption,
    JsonOption,
    SeedOption,
    SqlOption,
    UsersOption,
)

if TYPE_CHECKING:
    from catalog.records import BadRow


def validate(
    ctx: typer.Context,
    dataset: DatasetArgument = None,
    data: DataOption = None,
    items: ItemsOption = None,
    users: UsersOption = None,
    events: EventsOption = None,
    seed: SeedOption = None,
    sql: SqlOption = None,
    problems: Annotated[
        Path | None,
        typer.Option("--problems", metavar="FILE", help="write the problems there, as JSON lines"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a data set as import would, store nothing, tell every problem; exit code 1 where there is one."""
    from towerbridge import stages
    from towerbridge.nowhere import NowhereStore
    from towerbridge.output import print_json
    from towerbridge.progress import progress

    workspace, sized = asked(ctx, dataset, data, sql, items=items, users=users, events=events, seed=seed)
    with _teller(problems, quiet=as_json) as tell, progress() as bars:
        report = stages.import_data(workspace, NowhereStore(), bars, data, sized, told=tell)
    if as_json:
        print_json(asdict(report))
    else:
        show_report(report)
    if report.counts.quarantined:
        raise typer.Exit(1)


@contextmanager
def _teller(file: Path | None, quiet: bool) -> Iterator[Callable[[BadRow], None]]:
    """What is called with each problem as it is found: they are told at once, so memory does not grow with them."""
    from catalog.errors import ConfigError
    from catalog.problems import ADVICE, describe

    if file is None:
        # Taken now: while a progress bar is up, what is printed goes where the bar goes.
        out = sys.stdout if not sys.stdout.isatty() else None
        yield lambda row: None if quiet else print(describe(row), file=out)
        return
    try:
        with file.open("w", encoding="utf-8") as handle:
            yield lambda row: print(
                json.dumps({**asdict(row), "advice": ADVICE.get(row.kind, "")}, ensure_ascii=False),
                file=handle,
            )
    except OSError as error:
        raise ConfigError(f"--problems {file} cannot be written: {error}") from error


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder of CSV, Parquet or JSONL files")],
    force: Annotated[bool, typer.Option("--force", help="overwrite a dataset.toml that is there")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at a folder of files, write a commented dataset.toml into it, and say what is unsure."""
    from catalog.errors import ConfigError
    from catalog.guess.folder import guess
    from towerbridge.output import note, print_json, table

    if not folder.is_dir():
        raise ConfigError(f"a folder was expected; {folder} is none")
    target = folder / "dataset.toml"
    if target.exists() and not force:
        raise ConfigError(f"{target} is there already; --force overwrites it")
    guessed = guess(folder)
    try:
        target.write_text(guessed.text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error}") from error
    if as_json:
        print_json({"file": str(target), "tables": dict(guessed.tables), "doubts": list(guessed.doubts)})
        return
    table(("file", "taken for"), guessed.tables)
    for doubt in guessed.doubts:
        note(f"unsure: {doubt}")
    print(f"{target} is written. Next: towerbridge validate {folder}, then towerbridge import {folder}")
