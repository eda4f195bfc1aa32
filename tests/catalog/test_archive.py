"""A database in a folder and back: nothing lost, nothing doubled, and nothing written from a damaged dump."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pymongo
import pytest
from bson.binary import Binary, BinaryVectorDtype
from pymongo.database import Database

from catalog import archive
from catalog.archive import COLLECTIONS, dump, read_dump, restore, verify
from catalog.errors import DataError, StoreError
from catalog.ledger import Change, Entry, JobRun
from catalog.mongo import MongoStore
from catalog.mongo_ledger import MongoLedger
from catalog.progress import Silent
from tests.bundle.make import SCHEMA, USERS, items
from tests.serving.conftest import event

pytestmark = pytest.mark.mongo


class Counted(Silent):
    def __init__(self) -> None:
        self.done = 0

    def advance(self, count: int) -> None:
        self.done += count


@pytest.fixture
def store(mongo_uri: str, mongo_database: str) -> Iterator[MongoStore]:
    """Every collection has something in it, hostile ids and vectors among it."""
    with MongoStore.open(mongo_uri, mongo_database) as store:
        store.put_items([replace(items()[0], text="x" * 3_000_000), *items()[1:]])
        store.put_users(USERS)
        store.put_interactions([event("u1", row, 1000.0 + row / 3) for row in range(30)])
        vector = Binary.from_vector([0.1, float("inf"), -0.0], BinaryVectorDtype.FLOAT32)
        store.database["embeddings"].insert_one({"_id": "hash", "vector": vector})
        store.database["quarantine"].insert_one({"_id": bson.ObjectId(), "file": "a.csv"})
        ledger = MongoLedger(store.database)
        ledger.register(Entry("20260101-000000-aaaaaa", "tiny", 1.0, {}, (Change(2.0, "serving", "cli"),)))
        ledger.note_job(JobRun("k", "retrain", 3.0))
        store.save_schema(SCHEMA)
        yield store


@pytest.fixture
def empty(store: MongoStore) -> Iterator[Database[dict[str, Any]]]:
    database = store.client.get_database(f"{store.database.name}_other")
    yield database
    store.client.drop_database(database.name)


def everything(database: Database[dict[str, Any]]) -> dict[str, list[bytes]]:
    return {name: sorted(bson.encode(document) for document in database[name].find()) for name in COLLECTIONS}


def test_what_is_restored_is_what_was_dumped(
    store: MongoStore, empty: Database[dict[str, Any]], tmp_path: Path
) -> None:
    writing, reading = Counted(), Counted()
    made = dump(store.database, "tiny", tmp_path / "deep" / "dump", writing)
    assert {name: part.documents for name, part in made.parts.items()} == {
        "items": 40, "users": 3, "interactions": 30, "quarantine": 1, "embeddings": 1, "bundles": 1, "jobs": 1,
        "meta": 1,
    }  # fmt: skip
    assert read_dump(tmp_path / "deep" / "dump") == made
    assert restore(empty, "tiny", tmp_path / "deep" / "dump", reading) == made
    assert everything(empty) == everything(store.database)
    assert (writing.done, reading.done, made.documents) == (78, 2 * 78, 78)


def test_other_tools_read_it(store: MongoStore, tmp_path: Path) -> None:
    dump(store.database, "tiny", tmp_path / "dump", Silent())
    assert sorted(row["_id"] for row in bson.decode_all((tmp_path / "dump" / "users.bson").read_bytes())) == [
        "u0", "u1", "ü/2",
    ]  # fmt: skip


def test_a_database_that_is_not_empty_is_left_alone_unless_it_may_be_replaced(
    store: MongoStore, empty: Database[dict[str, Any]], tmp_path: Path
) -> None:
    dump(store.database, "tiny", tmp_path / "dump", Silent())
    empty["jobs"].insert_one({"_id": "old"})
    with pytest.raises(DataError, match="found jobs in it"):
        restore(empty, "tiny", tmp_path / "dump", Silent())
    assert everything(empty)["items"] == []
    restore(empty, "tiny", tmp_path / "dump", Silent(), replace=True)
    restore(empty, "tiny", tmp_path / "dump", Silent(), replace=True)
    assert everything(empty) == everything(store.database)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("items.bson", lambda data: data[:-1]), ("items.bson", lambda data: data + b"\x01"),
        ("items.bson", lambda data: data[:2000] + b"?" + data[2001:]), ("items.bson", lambda data: b""),
        ("items.bson", lambda data: b"\xff\xff\xff\x7f" + data[4:]), ("items.bson", None), ("dump.json", None),
        ("dump.json", lambda data: b"{"), ("dump.json", lambda data: data.replace(b'"format": 1', b'"format": 2')),
        ("dump.json", lambda data: data.replace(b'"users"', b'"admin.users"')),
    ],
)  # fmt: skip
def test_of_a_damaged_dump_nothing_is_restored(
    store: MongoStore, empty: Database[dict[str, Any]], tmp_path: Path, name: str, damage: Any
) -> None:
    dump(store.database, "tiny", tmp_path / "dump", Silent())
    path = tmp_path / "dump" / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    empty["jobs"].insert_one({"_id": "old"})
    with pytest.raises(DataError):
        restore(empty, "tiny", tmp_path / "dump", Silent(), replace=True)
    assert empty["jobs"].count_documents({}) == 1


def test_a_dump_of_another_data_set_is_not_restored(
    store: MongoStore, empty: Database[dict[str, Any]], tmp_path: Path
) -> None:
    dump(store.database, "tiny", tmp_path / "dump", Silent())
    with pytest.raises(DataError, match="--dataset tiny"):
        restore(empty, "movielens-100k", tmp_path / "dump", Silent())


def test_a_dump_overwrites_nothing_and_leaves_nothing_half_done(store: MongoStore, tmp_path: Path) -> None:
    (tmp_path / "dump").mkdir()
    with pytest.raises(DataError, match="not to be there yet"):
        dump(store.database, "tiny", tmp_path / "dump", Silent())
    nobody: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        "mongodb://127.0.0.1:1/?directConnection=true", serverSelectionTimeoutMS=50
    )
    with nobody, pytest.raises(StoreError):
        dump(nobody["x"], "tiny", tmp_path / "other", Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_batches_are_bounded_by_documents_and_by_bytes(
    store: MongoStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump(store.database, "tiny", tmp_path / "dump", Silent())
    monkeypatch.setattr(archive, "BATCH_DOCUMENTS", 16)
    sizes = [len(batch) for batch in archive._batches(tmp_path / "dump" / "interactions.bson")]
    assert sizes == [16, 14]
    monkeypatch.setattr(archive, "BATCH_BYTES", 1_000_000)
    assert len(list(archive._batches(tmp_path / "dump" / "items.bson"))) == 4, "the large one ends its batch"
    assert json.loads((tmp_path / "dump" / "dump.json").read_text())["format"] == 1
    assert verify(tmp_path / "dump", Silent()).dataset == "tiny"
