"""Flags that several commands share, and the settings that they and the configuration add up to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from towerbridge.config import Config


class Device(StrEnum):
    """Where encoders and towers compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@dataclass(frozen=True, slots=True)
class Globals:
    """What stands before the verb on the command line."""

    config_file: Path | None = None
    debug: bool = False


DatasetArgument = Annotated[
    str | None, typer.Argument(metavar="[DATASET]", help="data set by name, or the path of a dataset.toml")
]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="simulated, movielens-100k, or a dataset.toml")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="folder that holds data sets by name")
]
SqlOption = Annotated[
    str | None,
    typer.Option(
        "--sql",
        metavar="URL",
        help="database whose tables stand for the files, as postgresql://user:password@host/name",
    ),
]
DeviceOption = Annotated[Device | None, typer.Option("--device", help="where to compute")]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
ItemsOption = Annotated[int | None, typer.Option("--items", min=1, help="size of the simulated catalogue")]
UsersOption = Annotated[int | None, typer.Option("--users", min=1, help="users of the simulated catalogue")]
EventsOption = Annotated[
    int | None, typer.Option("--events", min=1, help="events of the simulated catalogue")
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="empty the catalogue first, recorded events included")
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="the same seed gives the same result")]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="passes over the events")]


def settings(ctx: typer.Context, **flags: Any) -> Config:
    """The configuration of this run; a flag's double underscore is the dot of its key: `serve__port`."""
    import os

    from towerbridge.config import load

    asked = {name.replace("__", "."): value for name, value in flags.items()}
    return load(ctx.obj.config_file, os.environ, asked)
