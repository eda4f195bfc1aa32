"""Data sets by name: the built-in declarations, a `dataset.toml` of one's own, and the simulated one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from catalog.dataset import Dataset
from catalog.declaration import parse, read
from catalog.errors import ConfigError
from catalog.files import FileDataset
from catalog.locate import locate, with_database
from catalog.simulated.dataset import SIMULATED, SimulatedDataset
from catalog.simulated.world import Size
from catalog.tables import Location


def dataset_names() -> list[str]:
    """Names of the built-in data sets."""
    folder = resources.files("catalog") / "datasets"
    declared = (entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return sorted([SIMULATED, *(name.removesuffix(".toml") for name in declared)])


def open_dataset(
    name: str,
    *,
    home: Path,
    data: Path | None = None,
    size: Size | None = None,
    environment: Mapping[str, str] = os.environ,
    database: str | None = None,
    url: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Dataset:
    """A data set, found and ready to be imported; nothing has been read of it yet.

    `name` is a built-in one, the path of a `dataset.toml`, or of the folder that holds one. `size` is for
    the simulated catalogue only, `data`, `database`, `url` and `say` for all others (`catalog.locate`).
    """
    if name == SIMULATED:
        return SimulatedDataset(size or Size(), home / "data" / SIMULATED)
    if size is not None:
        raise ConfigError(f"items, users, events and seed size the {SIMULATED} data set, not {name}")
    path = Path(name)
    if path.is_dir() and (path / "dataset.toml").is_file():
        path = path / "dataset.toml"
    if path.suffix == ".toml":
        declaration, own = read(path), path.resolve().parent
        if data is None:
            tables = with_database(declaration, database) if database is not None else frozenset()
            return FileDataset(declaration, Location(own, own.parent, database, tables))
    elif name in dataset_names():
        text = (resources.files("catalog") / "datasets" / f"{name}.toml").read_text("utf-8")
        declaration = parse(text, f"the built-in declaration of {name}")
    else:
        raise ConfigError(
            f"a data set was expected: one of {', '.join(dataset_names())}, or the path of a dataset.toml; "
            f"{name!r} came"
        )
    found = locate(
        declaration, data=data, home=home, environment=environment, database=database, url=url, say=say
    )
    return FileDataset(declaration, found)
