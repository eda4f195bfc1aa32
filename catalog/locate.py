"""Where a data set lies: the folder that was named, the environment's, our own, or its official home.

The order is `--data`, then TOWERBRIDGE_DATA, then `home/data`, then a download into `home/data`. A folder
that was named counts whether or not the data set is in it: nothing is fetched behind its back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from catalog.declaration import Declaration, Download
from catalog.errors import DataError
from catalog.source import Events, Sequences
from catalog.tables import Location, present, stem

DATA_VARIABLE = "TOWERBRIDGE_DATA"
LARGEST_DOWNLOAD = 1 << 30
LARGEST_CONTENT = 4 << 30
CONNECT_SECONDS = 10.0
DOWNLOAD_SECONDS = 300.0


def locate(
    declaration: Declaration,
    *,
    data: Path | None,
    home: Path,
    environment: Mapping[str, str] = os.environ,
    database: str | None = None,
    url: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Location:
    """Where a declared data set lies; DataError in one sentence where it cannot be had.

    `database` holds tables that stand for files (`with_database`); `url` stands in for the official home;
    `say` is told, in whole sentences, what is being fetched and under which licence.
    """
    if database is not None:
        tables = with_database(declaration, database)
        files = [names for names in required_files(declaration) if not tables & set(map(stem, names))]
        found = _found(declaration, files, data, home, environment, url, say)
        return replace(found, database=database, database_tables=tables)
    return _found(declaration, required_files(declaration), data, home, environment, url, say)


def with_database(declaration: Declaration, database: str) -> frozenset[str]:
    """Names of the tables of a database; DataError where the declaration knows none of them."""
    from catalog.database import table_names

    tables = table_names(database)
    wanted = sorted({stem(file) for table in declaration.tables() for file in table.file})
    if not tables & set(wanted):
        raise DataError(
            f"the database was expected to have one of the tables {', '.join(wanted)}, but it has "
            f"{', '.join(sorted(tables)) or 'none'}"
        )
    return tables


def _found(
    declaration: Declaration,
    files: Sequence[tuple[str, ...]],
    data: Path | None,
    home: Path,
    environment: Mapping[str, str],
    url: str | None,
    say: Callable[[str], None],
) -> Location:
    name = declaration.folder or declaration.name
    if data is not None:
        return _named(data, name, files)
    candidates = [home / "data"]
    if environment.get(DATA_VARIABLE):
        candidates.insert(0, Path(environment[DATA_VARIABLE]))
    for folder in candidates:
        found = _within(folder, name, files)
        if found is not None:
            return found
    looked = " and ".join(str(folder / name) for folder in candidates)
    if declaration.download is None:
        raise DataError(
            f"{declaration.title or declaration.name} was looked for at {looked} and is not there, and it has no "
            f"public home to fetch it from; name the folder that holds {name}/ with --data"
        )
    say(f"{declaration.title} is not at {looked}; fetching it from {url or declaration.download.url}.")
    say(f"Its licence: {declaration.download.licence}.")
    fetch(declaration.download, home / "data" / name, url=url)
    return Location((home / "data" / name).resolve(), (home / "data").resolve())


def required_files(declaration: Declaration) -> list[tuple[str, ...]]:
    """Files below the data set's own folder that it cannot do without, each with what may stand in for it."""
    own = [table for table in declaration.tables() if table.folder is None]
    needed = [table for table in own if not table.optional and not table.unless]
    files = [table.file for table in needed]
    files += [fold.file for events in declaration.events for fold in events.folds]
    events = [table for table in own if isinstance(table, Events | Sequences)]
    if events and not declaration.generated.behaviour and not any(table in needed for table in events):
        files.append(tuple(file for table in events for file in table.file))
    return files


def _within(folder: Path, name: str, files: Sequence[tuple[str, ...]]) -> Location | None:
    """The data set below a folder of data sets, or the folder itself where it is the data set's own."""
    for own in (folder / name, folder):
        if all(present(own, file) for file in files):
            own = own.resolve()
            return Location(own, own.parent)
    return None


def _named(folder: Path, name: str, files: Sequence[tuple[str, ...]]) -> Location:
    found = _within(folder, name, files)
    if found is not None:
        return found
    if not folder.is_dir():
        raise DataError(f"--data names {folder}, which is not a folder; name the one that holds {name}/")
    own = folder / name if (folder / name).is_dir() else folder
    wanted = {" or ".join(file): present(own, file) for file in files}
    absent = [file for file, found in wanted.items() if not found]
    if own == folder and len(absent) == len(files):
        raise DataError(f"--data names {folder}, but neither {name}/ nor {absent[0]} is in it")
    raise DataError(f"{own} should hold {', '.join(wanted)}, but {', '.join(absent)} is not there")


def fetch(download: Download, target: Path, url: str | None = None) -> None:
    """Download, verify and unpack an archive; `target` appears whole or not at all."""
    address = url or download.url
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            archive = Path(scratch) / "archive.zip"
            digest = _receive(address, archive)
            if digest != download.md5:
                raise DataError(
                    f"{address} was expected to have the md5 sum {download.md5}, but {digest} came; "
                    "try again, or fetch it by hand and name its folder with --data"
                )
            unpacked = Path(scratch) / "unpacked"
            unpack(archive, unpacked)
            inner = unpacked / download.inner
            if not inner.is_dir():
                raise DataError(f"{address} was expected to hold the folder {download.inner}/, but does not")
            if target.exists():
                shutil.rmtree(target)
            inner.rename(target)
    except OSError as error:
        raise DataError(f"{target} could not be written: {error}") from error


def _receive(address: str, archive: Path) -> str:
    """Store what an address answers, bounded in time and size; returns its md5 sum."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    advice = "check the network, or fetch it by hand and name its folder with --data"
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "towerbridge"})
        with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as answer, archive.open("wb") as file:
            promised = int(answer.headers.get("Content-Length") or -1)
            while block := answer.read(1 << 16):
                size += len(block)
                if size > LARGEST_DOWNLOAD:
                    raise DataError(f"{address} is larger than {LARGEST_DOWNLOAD >> 20} MiB; {advice}")
                if time.monotonic() > deadline:
                    raise DataError(f"{address} took longer than {DOWNLOAD_SECONDS:.0f} s; {advice}")
                digest.update(block)
                file.write(block)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # such an error is the answer itself, with its connection
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{address} could not be fetched ({reason}); {advice}") from error
    if 0 <= size < promised:
        raise DataError(f"{address} broke off after {size} of {promised} bytes; {advice}")
    return digest.hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip file; DataError where it is damaged, too large, or reaches outside the target."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = zipped.infolist()
            total = sum(member.file_size for member in members)
            if total > LARGEST_CONTENT:
                raise DataError(
                    f"{archive.name} unpacks to {total} bytes; at most {LARGEST_CONTENT} are allowed"
                )
            for member in members:
                path = PurePosixPath(member.filename.replace("\\", "/"))
                is_link = stat.S_ISLNK(member.external_attr >> 16)
                if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or is_link:
                    raise DataError(
                        f"{archive.name} holds {member.filename!r}, which reaches outside its folder; "
                        "it was not unpacked"
                    )
            zipped.extractall(target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{archive.name} is not a whole zip file ({error}); try again") from error
