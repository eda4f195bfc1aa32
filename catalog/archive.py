"""A whole database in a folder, and back: records, events, vectors, and the registry.

Each collection is a file of BSON documents one after the other, as `mongodump` writes them and `mongorestore` reads
them, so nothing is lost or rounded. `dump.json` says how many there are, of how many bytes and with which hash; it is
written last, so a folder without it is no dump. Documents stream through: memory does not grow with the data. What is
written while a dump is made may be in it or not.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from struct import Struct
from typing import Any, cast

from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from catalog.documents import Document
from catalog.errors import DataError
from catalog.mongo import DURABLE, store_errors
from catalog.progress import Progress

FORMAT = 1
NAME = "dump.json"
COLLECTIONS = ("items", "users", "interactions", "quarantine", "embeddings", "bundles", "jobs", "meta")
"""In the order in which they are restored. The last one holds the schema, which promises that the rest is whole."""
BATCH_BYTES, BATCH_DOCUMENTS = 8_000_000, 5_000
LARGEST = 48 * 1024 * 1024
"""Bytes that no document has."""
SIZE = Struct("<i")


@dataclass(frozen=True, slots=True)
class Part:
    """One collection of a dump."""

    documents: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Dump:
    """What a folder holds."""

    dataset: str
    created: str
    """ISO-8601."""
    parts: Mapping[str, Part]

    @property
    def documents(self) -> int:
        """Of all collections."""
        return sum(part.documents for part in self.parts.values())


def dump(database: Database[Document], dataset: str, folder: Path, progress: Progress) -> Dump:
    """Write all collections into a new folder.

    Args:
        database: where the data set is.
        dataset: its name, which `restore` asks for.
        folder: must not be there yet; appears when it is whole.
        progress: told of every document.

    Raises:
        DataError: there is something at `folder`.
        StoreError: the database does not answer; no folder is left.
    """
    if folder.exists():
        raise DataError(f"expected {folder} not to be there yet, found it; name another folder to dump into")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        parts = {name: _dump_collection(database, name, partial, progress) for name in COLLECTIONS}
        made = Dump(dataset, datetime.now(UTC).isoformat(timespec="seconds"), parts)
        with (partial / NAME).open("w", encoding="utf-8") as out:
            json.dump({"format": FORMAT, **asdict(made)}, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return made


def read_dump(folder: Path) -> Dump:
    """What a folder says that it holds; DataError where it is no dump."""
    path = folder / NAME
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise DataError(f"expected a dump of format {FORMAT} in {path}, found {document['format']!r}")
        parts = {name: Part(**part) for name, part in document["parts"].items()}
        unknown = sorted(set(parts) - set(COLLECTIONS))
        if unknown:
            raise DataError(f"expected the collections {', '.join(COLLECTIONS)} in {path}, found {unknown}")
        return Dump(document["dataset"], document["created"], parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DataError(
            f"expected a dump in {folder}, found {exc!r}; name a folder that `dump` wrote"
        ) from exc


def verify(folder: Path, progress: Progress) -> Dump:
    """Read every byte of a dump; DataError where anything is missing, changed or cut short."""
    found = read_dump(folder)
    for name, part in found.parts.items():
        path = _path(folder, name)
        progress.start(f"verify {name}", part.documents)
        digest, size, documents = hashlib.sha256(), 0, 0
        try:
            for document in _documents(path):
                digest.update(document)
                size += len(document)
                documents += 1
                progress.advance(1)
        except OSError as exc:
            raise DataError(f"expected {part.documents} documents in {path}, found {exc}") from exc
        if Part(documents, size, digest.hexdigest()) != part:
            raise DataError(
                f"expected {part.documents} documents with sha256 {part.sha256[:12]}… in {path}, found "
                f"{documents} with {digest.hexdigest()[:12]}…; the dump was changed or damaged"
            )
    return found


def restore(
    database: Database[Document], dataset: str, folder: Path, progress: Progress, *, replace: bool = False
) -> Dump:
    """Verify a dump, and write it into a database that is empty.

    Args:
        database: where the data set is to be.
        dataset: its name; the dump must be of the same.
        folder: as `dump` left it.
        progress: told of every document, twice: as it is verified, and as it is written.
        replace: forget what is in the database first.

    Raises:
        DataError: the dump does not verify or is of another data set, or the database is not empty; nothing is
            changed then.
        StoreError: the database does not answer; what was written stays without a schema, as if never imported.
    """
    found = verify(folder, progress)
    if found.dataset != dataset:
        raise DataError(
            f"expected a dump of {dataset} in {folder}, found one of {found.dataset}; "
            f"`towerbridge restore --dataset {found.dataset}` restores it"
        )
    with store_errors("looking whether the database is empty"):
        there = [name for name in COLLECTIONS if database[name].find_one({}, {"_id": 1}) is not None]
    if there and not replace:
        raise DataError(
            f"expected an empty database {database.name}, found {', '.join(there)} in it; "
            "--replace forgets what is there"
        )
    with store_errors("emptying the database"):
        for name in reversed(COLLECTIONS):
            database[name].delete_many({})
    for name in COLLECTIONS:
        if name in found.parts:
            _restore_collection(database, name, found.parts[name], folder, progress)
    return found


def _dump_collection(database: Database[Document], name: str, folder: Path, progress: Progress) -> Part:
    digest, size, documents = hashlib.sha256(), 0, 0
    with store_errors(f"reading {name}"), _path(folder, name).open("wb") as out:
        progress.start(f"dump {name}", database[name].estimated_document_count())
        for batch in database[name].find_raw_batches({}):
            raw = cast(bytes, batch)
            count = sum(1 for _ in _cut(raw))
            out.write(raw)
            digest.update(raw)
            size, documents = size + len(raw), documents + count
            progress.advance(count)
        out.flush()
        os.fsync(out.fileno())
    return Part(documents, size, digest.hexdigest())


def _restore_collection(
    database: Database[Document], name: str, part: Part, folder: Path, progress: Progress
) -> None:
    progress.start(f"restore {name}", part.documents)
    collection: Any = database.get_collection(name, write_concern=DURABLE)
    with store_errors(f"writing {name}"):
        for batch in _batches(_path(folder, name)):
            collection.insert_many([RawBSONDocument(document) for document in batch], ordered=False)
            progress.advance(len(batch))
        written = database[name].count_documents({})
    if written < part.documents:
        raise DataError(
            f"expected {part.documents} documents in {name}, found {written} after restoring them"
        )


def _batches(path: Path) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for document in _documents(path):
        batch.append(document)
        size += len(document)
        if size >= BATCH_BYTES or len(batch) >= BATCH_DOCUMENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _documents(path: Path) -> Iterator[bytes]:
    """The documents of a file, one at a time."""
    with path.open("rb") as file:
        while head := file.read(SIZE.size):
            size = SIZE.unpack(head)[0] if len(head) == SIZE.size else 0
            rest = file.read(size - SIZE.size) if SIZE.size < size < LARGEST else b""
            if len(head) + len(rest) != size:
                raise DataError(f"expected whole documents in {path}, found one cut short at {file.tell()}")
            yield head + rest


def _cut(raw: bytes) -> Iterator[bytes]:
    """The documents of a batch."""
    at = 0
    while at < len(raw):
        size = SIZE.unpack_from(raw, at)[0]
        yield raw[at : at + size]
        at += size


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.bson"
