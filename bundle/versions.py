"""The versions of one data set on disk, and which of them serves.

A data set's folder holds one folder per version, `CURRENT` (the name of the one that serves) and `PREVIOUS`
(the ones that served before it, latest last). Both are replaced in one step. It knows nothing of running
services: those watch CURRENT, or are told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.durable import replace_text
from bundle.manifest import NAME, VERSION_PATTERN, Manifest, read_manifest
from catalog.errors import BundleError, NotReadyError

CURRENT = "CURRENT"
PREVIOUS = "PREVIOUS"


@dataclass(frozen=True, slots=True)
class Version:
    """One sealed bundle."""

    name: str
    path: Path
    manifest: Manifest
    current: bool


def versions(folder: Path) -> list[Version]:
    """All sealed versions, oldest first; a folder that is no bundle is left out, a damaged one raises."""
    serving = _read(folder / CURRENT)[:1]
    names = sorted(path.name for path in folder.iterdir() if _sealed(path)) if folder.is_dir() else []
    return [Version(name, folder / name, read_manifest(folder / name), [name] == serving) for name in names]


def current(folder: Path) -> Path:
    """The folder of the version that serves.

    Raises:
        NotReadyError: nothing was promoted yet.
        BundleError: CURRENT names something that is not there.
    """
    names = _read(folder / CURRENT)
    if not names:
        raise NotReadyError(
            f"expected {folder / CURRENT} to name a bundle, found none; "
            "run `towerbridge build` (or `towerbridge demo`), which promotes what it built"
        )
    if not re.match(VERSION_PATTERN, names[0]) or not _sealed(folder / names[0]):
        raise BundleError(
            f"{folder / CURRENT} names {names[0]!r}, which is no bundle in {folder}; "
            "choose another with `towerbridge promote VERSION`"
        )
    return folder / names[0]


def promote(folder: Path, version: str) -> Path:
    """Make a version the serving one and remember the one before it; returns its folder.

    A caller that wants more than a readable manifest opens the bundle (`Bundle.open`) first.
    """
    if not re.match(VERSION_PATTERN, version) or not _sealed(folder / version):
        found = [one.name for one in versions(folder)]
        raise BundleError(f"expected one of the versions {found} of {folder}, found {version!r}")
    read_manifest(folder / version)
    serving = _read(folder / CURRENT)
    if serving != [version]:
        # The stack first: a crash in between leaves the serving version on top, and `rollback` skips it.
        _write(folder / PREVIOUS, [*_read(folder / PREVIOUS), *serving])
        _write(folder / CURRENT, [version])
    return folder / version


def rollback(folder: Path) -> Path:
    """Go back to the version that served before the present one; returns its folder."""
    serving, stack = _read(folder / CURRENT), _read(folder / PREVIOUS)
    while stack and (stack[-1:] == serving or not _sealed(folder / stack[-1])):
        stack.pop()
    if not stack:
        raise BundleError(f"expected an earlier version to go back to in {folder / PREVIOUS}, found none")
    _write(folder / CURRENT, stack[-1:])
    _write(folder / PREVIOUS, stack[:-1])
    return folder / stack[-1]


def _sealed(path: Path) -> bool:
    return not path.name.startswith(".") and (path / NAME).is_file()


def _read(path: Path) -> list[str]:
    return path.read_text("utf-8").split() if path.is_file() else []


def _write(path: Path, names: Sequence[str]) -> None:
    replace_text(path, "".join(f"{name}\n" for name in names))
