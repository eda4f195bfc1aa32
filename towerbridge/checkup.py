"""What `towerbridge doctor` looks at. Nothing is downloaded or sent; a mongod is started and stopped."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import RecommenderError
from towerbridge.config import Config, unknown_variables

FREE_GB = 3.0
"""Room that a MongoDB data folder, a run and a few bundles of a small catalogue need."""
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+).*extra == ['\"](\w+)['\"]")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    needed: bool = True
    """Whether nothing works without it."""


def checks(config: Config) -> list[Check]:
    """All checks, in the order in which their absence would be noticed."""
    return [
        _python(),
        *_packages(),
        _home(config.home),
        _mongodb(config),
        _data(config),
        _gpu(),
        *_variables(),
    ]


def _python() -> Check:
    version = platform.python_version()
    return Check(
        "Python", sys.version_info >= (3, 11), f"{version} on {platform.system()}, {os.cpu_count()} cores"
    )


def _packages() -> Iterator[Check]:
    """The extras that serve and train, each with the distributions it lacks."""
    wanted: dict[str, list[str]] = {"serve": [], "train": []}
    try:
        declared = importlib.metadata.requires("towerbridge") or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("extras", False, "towerbridge runs from a folder and is not installed", needed=False)
        return
    for line in declared:
        match = REQUIREMENT.match(line)
        if match and match[2] in wanted and match[1].lower() != "towerbridge":
            wanted[match[2]].append(match[1])
    for extra, names in wanted.items():
        missing = [name for name in names if not _installed(name)]
        told = (
            f"lacks {', '.join(missing)}: pip install 'towerbridge[{extra}]'"
            if missing
            else f"{len(names)} packages"
        )
        yield Check(f"extra `{extra}`", not missing, told, needed=extra == "serve")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _home(home: Path) -> Check:
    existing = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    writable = os.access(existing, os.W_OK)
    told = f"{home}: {free:.1f} GB free" if writable else f"{existing} cannot be written to"
    return Check(
        "workspace",
        writable and free >= FREE_GB,
        told + ("" if free >= FREE_GB else f", {FREE_GB:.0f} wanted"),
    )


def _mongodb(config: Config) -> Check:
    from towerbridge.workspace import Workspace

    try:
        with Workspace(config).server() as uri:
            import pymongo
            from pymongo.errors import PyMongoError

            try:
                with pymongo.MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=3000) as client:
                    version = str(client.server_info()["version"])
            except PyMongoError as error:
                return Check("MongoDB", False, f"no answer from the configured server: {str(error)[:120]}")
    except RecommenderError as error:
        return Check("MongoDB", False, str(error))
    return Check("MongoDB", True, f"{version}, {'configured' if config.mongodb.uri else 'embedded'}")


def _data(config: Config) -> Check:
    if config.data is None:
        return Check(
            "data folder", True, "none set: data sets are generated, or fetched when asked for", needed=False
        )
    if not config.data.is_dir():
        return Check("data folder", False, f"{config.data} is no folder")
    return Check(
        "data folder",
        True,
        f"{config.data}: {', '.join(sorted(p.name for p in config.data.iterdir() if p.is_dir()))}",
    )


def _gpu() -> Check:
    if not _installed("torch"):
        return Check("GPU", False, "torch is not installed", needed=False)
    import torch

    if torch.cuda.is_available():
        return Check("GPU", True, torch.cuda.get_device_name(0), needed=False)
    return Check("GPU", False, "none that torch can use; everything works on the CPU", needed=False)


def _variables() -> Iterator[Check]:
    names = unknown_variables(os.environ)
    if names:
        yield Check(
            "environment", False, f"not settings of Towerbridge, so ignored: {', '.join(names)}", needed=False
        )
