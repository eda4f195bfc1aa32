"""`towerbridge dump` and `restore`: the database of a data set in a folder, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from towerbridge.options import DatasetOption, JsonOption, settings

if TYPE_CHECKING:
    from catalog.archive import Dump


def dump(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="folder to make; must not be there yet")],
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write items, users, events, vectors and the registry into a folder, with counts and hashes."""
    from catalog.archive import dump
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace, imported

    workspace = Workspace(settings(ctx, dataset=dataset))
    with workspace.store() as store, progress() as bars:
        imported(store, workspace.dataset)
        made = dump(store.database, workspace.dataset, folder, bars)
    _tell(made, folder, as_json, "dumped into")


def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="folder that `dump` wrote")],
    dataset: DatasetOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="forget what is in the database first")] = False,
    as_json: JsonOption = False,
) -> None:
    """Verify a dump and write it into the database, which must be empty or is replaced."""
    from catalog.archive import restore
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    with workspace.store() as store, progress() as bars:
        made = restore(store.database, workspace.dataset, folder, bars, replace=replace)
    _tell(made, folder, as_json, "restored from")


def _tell(made: Dump, folder: Path, as_json: bool, done: str) -> None:
    from dataclasses import asdict

    from towerbridge.output import print_json, table

    if as_json:
        print_json({"folder": str(folder), **asdict(made)})
        return
    rows = [(name, part.documents, part.bytes, part.sha256[:12]) for name, part in made.parts.items()]
    table(("collection", "documents", "bytes", "sha256"), rows)
    print(f"{made.dataset}: {made.documents:,} documents {done} {folder}")
