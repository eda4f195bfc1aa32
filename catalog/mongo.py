"""The catalogue in MongoDB, for the jobs: whole collections, synchronous, every write idempotent.

It knows documents (`catalog.documents`) and the driver; it does not know files, models or HTTP.
Writes are journaled and majority-committed before they return.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, cast

import numpy as np
import pymongo
from bson import decode_all
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.write_concern import WriteConcern

from catalog import documents
from catalog.documents import Document
from catalog.errors import StoreError
from catalog.records import BadRow, IdMap, Interaction, InteractionLog, Item, User
from catalog.schema import DatasetSchema
from catalog.store import Counts, Written

SELECTION_TIMEOUT_MS = 3000
SOCKET_TIMEOUT_MS = 120_000
DURABLE = WriteConcern(w="majority", j=True, wtimeout=60_000)
INDEXES = (
    pymongo.IndexModel([(key, 1) for key in "usnitv"], name="user_history"),
    pymongo.IndexModel([("i", 1), ("s", 1)], name="item_time"),
)
"""The first holds all that a recommendation reads of a history, so no document is fetched for one."""
DUPLICATE_KEY = 11000
WRITE_BATCH = 5000

DRIVER_ERRORS: tuple[tuple[type[PyMongoError], str], ...] = (
    (ServerSelectionTimeoutError, "no MongoDB server answered; is it running, and is the address right?"),
    (NetworkTimeout, "MongoDB did not answer in time"),
    (ConnectionFailure, "the connection to MongoDB was lost; try again"),
    (InvalidURI, "the MongoDB address is not a valid URI; it should look like mongodb://host:27017"),
    (ConfigurationError, "the MongoDB address or its options are not accepted"),
    (ExecutionTimeout, "MongoDB gave up on an operation that took too long"),
    (BulkWriteError, "MongoDB refused a part of a batch"),
    (OperationFailure, "MongoDB refused an operation"),
    (PyMongoError, "MongoDB failed"),
)
"""What each of the driver's errors means, the more special first."""


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn the driver's errors into StoreError; `where` says what was being done."""
    try:
        yield
    except PyMongoError as error:
        meaning = next(text for kind, text in DRIVER_ERRORS if isinstance(error, kind))
        raise StoreError(f"{where}: {meaning} ({str(error)[:300]})") from error


@contextmanager
def address_errors() -> Iterator[None]:
    """The driver tells some malformed addresses by ValueError; make StoreError of that too."""
    try:
        yield
    except ValueError as error:
        raise StoreError(f"the MongoDB address is not a valid URI: {error}") from error


def database_name(dataset: str) -> str:
    """The database that holds a data set."""
    return f"towerbridge_{dataset.replace('-', '_')}"


def client_options(selection_timeout_ms: int) -> dict[str, Any]:
    """Options of both kinds of client: bounded waiting, so that an absent server is an answer, not a hang."""
    return {
        "serverSelectionTimeoutMS": selection_timeout_ms,
        "connectTimeoutMS": selection_timeout_ms,
        "socketTimeoutMS": SOCKET_TIMEOUT_MS,
        "appname": "towerbridge",
    }


def connect(uri: str, database: str, selection_timeout_ms: int) -> pymongo.MongoClient[Document]:
    """A client, which connects with its first question.

    Raises:
        StoreError: the address is none.
    """
    with store_errors(f"opening database {database}"), address_errors():
        return pymongo.MongoClient(uri, **client_options(selection_timeout_ms))


def duplicates_only(error: BulkWriteError) -> int:
    """How many writes met an identity that was there already; any other refusal is raised again."""
    details = error.details or {}
    refused = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(each["code"] != DUPLICATE_KEY for each in refused):
        raise error
    return len(refused)


class MongoStore:
    """`catalog.store.CatalogStore` on one MongoDB database."""

    def __init__(self, client: pymongo.MongoClient[Document], database: str) -> None:
        self.client = client
        self.database = client.get_database(database, write_concern=DURABLE)
        self._repeating: set[str] = set()

    @classmethod
    def open(cls, uri: str, database: str, selection_timeout_ms: int = SELECTION_TIMEOUT_MS) -> Self:
        """Connect, make sure of the indexes, and return; StoreError within the timeout where nobody answers."""
        client = connect(uri, database, selection_timeout_ms)
        with store_errors(f"opening database {database}"):
            try:
                client.get_database(database).get_collection("interactions").create_indexes(list(INDEXES))
            except BaseException:
                client.close()
                raise
        return cls(client, database)

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def save_schema(self, schema: DatasetSchema) -> None:
        """Remember the declared schema of this data set."""
        document = {"_id": "schema", "schema": schema.model_dump_json()}
        with store_errors("saving the schema"):
            self.database["meta"].replace_one({"_id": "schema"}, document, upsert=True)

    def load_schema(self) -> DatasetSchema | None:
        """The schema saved at import, or None where nothing was imported."""
        with store_errors("reading the schema"):
            document = self.database["meta"].find_one({"_id": "schema"})
        return None if document is None else DatasetSchema.model_validate_json(document["schema"])

    def begin(self, edition: str) -> str:
        """Remember which edition of a data set is being imported, unless one is; the remembered one is returned."""
        with store_errors("remembering the edition"):
            meta = self.database["meta"]
            meta.update_one({"_id": "edition"}, {"$setOnInsert": {"edition": edition}}, upsert=True)
            found = meta.find_one({"_id": "edition"})
        return edition if found is None else str(found["edition"])

    def clear(self) -> None:
        """Forget everything; indexes stay, and so do embeddings, which are known by content."""
        with store_errors("emptying the catalogue"):
            # The schema first: its presence would promise that the rest is whole.
            for name in ("meta", "interactions", "users", "items", "quarantine"):
                self.database[name].delete_many({})
            self._repeating.clear()

    def put_items(self, items: Sequence[Item]) -> Written:
        """Insert or replace by id; where an id is repeated, the last one counts."""
        return self._put(self.database["items"], [documents.item_to_document(item) for item in items])

    def put_users(self, users: Sequence[User]) -> Written:
        """Insert or replace by id; where an id is repeated, the last one counts."""
        return self._put(self.database["users"], [documents.user_to_document(user) for user in users])

    def put_interactions(self, interactions: Sequence[Interaction]) -> Written:
        """Insert what is not there yet."""
        return self._insert("interactions", [documents.event_to_document(event) for event in interactions])

    def put_quarantined(self, rows: Sequence[BadRow]) -> Written:
        """Keep rows that could not be read."""
        return self._insert("quarantine", [documents.bad_row_to_document(row) for row in rows])

    def quarantined(self) -> Iterator[BadRow]:
        """All rows kept aside, in order of file and line."""
        order = [("file", 1), ("line", 1), ("_id", 1)]
        with store_errors("reading the quarantine"):
            for document in self.database["quarantine"].find().sort(order).allow_disk_use(True):
                yield documents.document_to_bad_row(document)

    def items(self) -> Iterator[Item]:
        """All items in order of id."""
        with store_errors("reading the items"):
            # Who encodes them may take minutes over a few hundred, and the server forgets a cursor after ten.
            for document in self.database["items"].find(batch_size=500).sort("_id", 1):
                yield documents.document_to_item(document)

    def users(self) -> Iterator[User]:
        """All users in order of id."""
        with store_errors("reading the users"):
            for document in self.database["users"].find().sort("_id", 1):
                yield documents.document_to_user(document)

    def log(self, users: IdMap, items: IdMap, schema: DatasetSchema) -> InteractionLog:
        """All events between known users and items, of declared types, sorted by (user row, time, sequence)."""
        codes = {name: schema.type_code(name) for name in schema.interactions}
        parts: list[tuple[np.ndarray[Any, Any], ...]] = []
        # A plain collection scan, sorted here: three times faster than the server's walk along an index.
        fields = {"_id": 0, "u": 1, "i": 1, "t": 1, "s": 1, "n": 1, "v": 1, "f": 1}
        with store_errors("reading the interactions"):
            # The driver's types promise documents; a raw batch is the bytes of many.
            for raw in self.database["interactions"].find_raw_batches({}, fields, batch_size=100_000):
                parts.append(_columns(decode_all(cast(bytes, raw)), users, items, codes))
        return _sorted_log(parts)

    def counts(self) -> Counts:
        """Exact record counts."""
        with store_errors("counting"):
            items, users, events, bad = (
                self.database[name].count_documents({})
                for name in ("items", "users", "interactions", "quarantine")
            )
        return Counts(items, users, events, bad)

    def _put(self, collection: Collection[Document], rows: list[Document]) -> Written:
        """Write only what differs, so that a second import changes nothing, not even a time stamp."""
        wanted = {row["_id"]: row for row in rows}
        now = time.time()
        with store_errors(f"writing {collection.name}"):
            stored = {row["_id"]: row for row in collection.find({"_id": {"$in": list(wanted)}})}
            inserted, updated = [], []
            for key, row in wanted.items():
                old = stored.get(key)
                if old is None:
                    inserted.append(key)
                elif {name: value for name, value in old.items() if name != "updated"} != row:
                    updated.append(key)
            changes = [
                pymongo.ReplaceOne({"_id": key}, {**wanted[key], "updated": now}, upsert=True)
                for key in (*inserted, *updated)
            ]
            if changes:
                collection.bulk_write(changes, ordered=False)
        return Written(len(inserted), len(updated), len(rows) - len(changes))

    def _insert(self, name: str, rows: list[Document]) -> Written:
        """Insert in unordered batches; an identity that is there already is an unchanged record."""
        inserted = 0
        with store_errors(f"writing {name}"):
            for begin in range(0, len(rows), WRITE_BATCH):
                inserted += self._insert_batch(self.database[name], rows[begin : begin + WRITE_BATCH])
        return Written(inserted, 0, len(rows) - inserted)

    def _insert_batch(self, collection: Collection[Document], rows: list[Document]) -> int:
        """How many of the rows were new.

        A refused duplicate costs the server ten times what a look-up does, and duplicates come in crowds (a
        second import). So after a batch that met some, the next ones ask first.
        """
        wanted = len(rows)
        if collection.name in self._repeating:
            keys = {"_id": {"$in": [row["_id"] for row in rows]}}
            there = {row["_id"] for row in collection.find(keys, {"_id": 1})}
            rows = [row for row in rows if row["_id"] not in there]
        refused = 0
        if rows:
            try:
                collection.insert_many(rows, ordered=False)
            except BulkWriteError as error:
                refused = duplicates_only(error)
        inserted = len(rows) - refused
        if inserted < wanted:
            self._repeating.add(collection.name)
        else:
            self._repeating.discard(collection.name)
        return inserted


def _columns(
    rows: Sequence[Mapping[str, Any]], users: IdMap, items: IdMap, codes: Mapping[str, int]
) -> tuple[np.ndarray[Any, Any], ...]:
    """One batch of documents as columns, without events on unknown users, items or types."""
    count = len(rows)
    user_rows = users.rows([row["u"] for row in rows])
    item_rows = items.rows([row["i"] for row in rows])
    types = np.fromiter((codes.get(row["t"], 0) for row in rows), np.int64, count)
    values = np.fromiter((row.get("v", np.nan) for row in rows), np.float32, count)
    times = np.fromiter((row["s"] for row in rows), np.float64, count)
    folds = np.fromiter((row.get("f", 0) for row in rows), np.int64, count)
    sequences = np.fromiter((row["n"] for row in rows), np.int64, count)
    known = (user_rows >= 0) & (item_rows >= 0) & (types > 0)
    columns = (user_rows, item_rows, types, values, times, folds, sequences)
    return columns if known.all() else tuple(column[known] for column in columns)


def _sorted_log(parts: Sequence[tuple[np.ndarray[Any, Any], ...]]) -> InteractionLog:
    """Batches joined and put in order."""
    if not parts:
        none, ints = np.zeros(0, np.float32), np.zeros(0, np.int64)
        return InteractionLog(ints, ints, ints, none, none.astype(np.float64), ints)
    user_rows, item_rows, types, values, times, folds, sequences = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    order = np.lexsort((sequences, times, user_rows))
    return InteractionLog(
        user_rows[order], item_rows[order], types[order], values[order], times[order], folds[order]
    )
