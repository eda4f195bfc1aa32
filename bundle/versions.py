"""The versions of one data set on disk, and which of them serves.

A data set's folder holds one folder per version, `CURRENT` (the name of the one that serves) and `PREVIOUS`
(the ones that served before it, latest last). Both are replaced in one step. It knows nothing of running
services: those watch CURRENT, or are told.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle.durable import replace_text
from bundle.manifest import NAME, VERSION_PATTERN, Manifest, read_manifest
from catalog.errors import BundleError, NotReadyError

CURRENT = "CURRENT"
PREVIOUS = "PREVIOUS"
REMOVING = ".removing-"


@dataclass(frozen=True, slots=True)
class Version:
    """One sealed bundle."""

    name: str
    path: Path
    manifest: Manifest
    current: bool


def versions(folder: Path) -> list[Version]:
    """All sealed versions, oldest first; a folder that is no bundle is left out, a damaged one raises."""
    now = serving(folder)
    return [Version(name, folder / name, read_manifest(folder / name), name == now) for name in names(folder)]


def names(folder: Path) -> list[str]:
    """The names of all sealed versions, oldest first; nothing of them is read."""
    return sorted(path.name for path in folder.iterdir() if _sealed(path)) if folder.is_dir() else []


def serving(folder: Path) -> str | None:
    """The name of the version that serves, whether or not it is there; None before the first promotion."""
    return next(iter(_read(folder / CURRENT)), None)


def earlier(folder: Path) -> list[str]:
    """The versions that served before, as `rollback` would go through them: those still there, latest last."""
    now = serving(folder)
    return [name for name in _read(folder / PREVIOUS) if name != now and _sealed(folder / name)]


def folder_of(folder: Path, version: str) -> Path:
    """The folder of a sealed version; BundleError where there is none of that name."""
    if not re.match(VERSION_PATTERN, version) or not _sealed(folder / version):
        raise BundleError(f"expected one of the versions {names(folder)} of {folder}, found {version!r}")
    return folder / version


def current(folder: Path) -> Path:
    """The folder of the version that serves.

    Raises:
        NotReadyError: nothing was promoted yet.
        BundleError: CURRENT names something that is not there.
    """
    name = serving(folder)
    if name is None:
        raise NotReadyError(
            f"expected {folder / CURRENT} to name a bundle, found none; "
            "run `towerbridge build` (or `towerbridge demo`), which promotes what it built"
        )
    if not re.match(VERSION_PATTERN, name) or not _sealed(folder / name):
        raise BundleError(
            f"{folder / CURRENT} names {name!r}, which is no bundle in {folder}; "
            "choose another with `towerbridge promote VERSION`"
        )
    return folder / name


def in_turn(folder: Path) -> list[Path]:
    """The folders that a service may answer from: of the version that serves, then of those before it, latest first.

    Raises:
        NotReadyError: nothing was promoted yet.
        BundleError: neither what CURRENT names is there nor any before it.
    """
    before = [folder / name for name in reversed(earlier(folder))]
    try:
        return [current(folder), *before]
    except BundleError:
        if not before:
            raise
        return before


def promote(folder: Path, version: str) -> Path:
    """Make a version the serving one and remember the one before it; returns its folder.

    A caller that wants more than a readable manifest opens the bundle (`Bundle.open`) first.
    """
    path = folder_of(folder, version)
    read_manifest(path)
    with _alone(folder):
        now = _read(folder / CURRENT)
        if now != [version]:
            # The stack first: a crash in between leaves the serving version on top, and `rollback` skips it.
            _write(folder / PREVIOUS, [*_read(folder / PREVIOUS), *now])
            _write(folder / CURRENT, [version])
    return path


def rollback(folder: Path) -> Path:
    """Go back to the version that served before the present one; returns its folder."""
    with _alone(folder):
        now, stack = _read(folder / CURRENT), _read(folder / PREVIOUS)
        while stack and (stack[-1:] == now or not _sealed(folder / stack[-1])):
            stack.pop()
        if not stack:
            raise BundleError(f"expected an earlier version to go back to in {folder / PREVIOUS}, found none")
        _write(folder / CURRENT, stack[-1:])
        _write(folder / PREVIOUS, stack[:-1])
    return folder / stack[-1]


def prune(folder: Path, keep: int, besides: str | None = None) -> list[str]:
    """Remove old versions; returns their names, oldest first.

    Args:
        folder: of all versions of the data set.
        keep: so many of the latest stay, at least one; and so do the one that serves and the one that `rollback`
            would go to, whatever their age.
        besides: another one to be left alone.
    """
    if not folder.is_dir():
        return []
    with _alone(folder):
        there = names(folder)
        stay = {*there[-keep:], serving(folder), *earlier(folder)[-1:], besides}
        gone = [name for name in there if name not in stay]
        for name in gone:  # renamed first: half a version is none
            (folder / name).rename(folder / f"{REMOVING}{name}")
        for left in folder.glob(f"{REMOVING}*"):
            shutil.rmtree(left)
    return gone


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else promotes meanwhile, in this process or another one."""
    if not folder.is_dir():
        raise BundleError(
            f"expected versions in {folder}, found no such folder; run `towerbridge build` first"
        )
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sealed(path: Path) -> bool:
    return not path.name.startswith(".") and (path / NAME).is_file()


def _read(path: Path) -> list[str]:
    return path.read_text("utf-8").split() if path.is_file() else []


def _write(path: Path, names: Sequence[str]) -> None:
    replace_text(path, "".join(f"{name}\n" for name in names))
