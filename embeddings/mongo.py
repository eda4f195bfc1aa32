"""Vectors in MongoDB: one document per encoder and content, the vector as BSON binary float32 (subtype 9).

That is the form that Atlas Vector Search reads, so `embeddings` can be indexed there as it is. Which
encoder a catalogue uses is noted in `meta`. Writes are journaled and majority-committed before they return.

A claim is the document in which the vector will stand, with an owner and an end instead: who may encode a content
is decided by one write to one document, on the server's clock. Claims of the dead are removed by the server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary, BinaryVectorDtype
from numpy.typing import NDArray
from pymongo import ReplaceOne, UpdateOne, WriteConcern
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from catalog.errors import StoreError
from catalog.mongo import DURABLE, connect, store_errors
from catalog.records import Floats
from embeddings.encoder import Modality
from embeddings.store import Reasons, SelectedEncoder

Document = dict[str, Any]
READ_BATCH = 1000
DUPLICATE_KEY = 11000
_FLOAT32_HEADER = bytes([BinaryVectorDtype.FLOAT32.value[0], 0])


class MongoEmbeddingStore:
    """`embeddings.store.EmbeddingStore` on one MongoDB database."""

    def __init__(self, database: Database[Document]) -> None:
        self._embeddings = database.get_collection("embeddings", write_concern=DURABLE)
        self._meta = database.get_collection("meta", write_concern=DURABLE)
        # A claim that a crash of the server undoes costs one content encoded twice: not worth a wait for the disk.
        self._claims = database.get_collection("embeddings", write_concern=WriteConcern(w=1))
        self._swept = False

    @classmethod
    @contextmanager
    def open(cls, uri: str, database: str, selection_timeout_ms: int) -> Iterator[Self]:
        """A store on a connection of its own while the context is open; it connects with its first question."""
        with connect(uri, database, selection_timeout_ms) as client:
            yield cls(client.get_database(database))

    def known(self, encoder: str, hashes: Collection[str]) -> dict[str, str | None]:
        """See `EmbeddingStore.known`."""
        found = self._find(encoder, hashes, {"hash": 1, "reason": 1, "owner": 1})
        return {each["hash"]: each.get("reason") for each in found if "reason" in each or "owner" not in each}

    def put(self, encoder: str, hashes: Sequence[str], vectors: Floats, reasons: Reasons) -> None:
        """See `EmbeddingStore.put`."""
        writes = []
        for each, vector, reason in zip(hashes, vectors, reasons, strict=True):
            document: Document = {"_id": _key(encoder, each), "encoder": encoder, "hash": each}
            if reason is None:
                document["vector"] = Binary.from_vector(vector.tolist(), BinaryVectorDtype.FLOAT32)
            else:
                document["reason"] = reason
            writes.append(ReplaceOne({"_id": document["_id"]}, document, upsert=True))
        if writes:
            with store_errors(f"keeping {len(writes)} vectors"):
                self._embeddings.bulk_write(writes, ordered=False)

    def claim(
        self, encoder: str, hashes: Collection[str], owner: str, seconds: float, retry: bool = False
    ) -> set[str]:
        """See `EmbeddingStore.claim`."""
        if not hashes:
            return set()
        free = {"$and": [
            _missing("vector"), True if retry else _missing("reason"),
            {"$or": [_missing("owner"), {"$eq": ["$owner", owner]}, {"$lt": ["$until", "$$NOW"]}]},
        ]}  # fmt: skip
        end = {"$add": ["$$NOW", round(seconds * 1000)]}
        writes = [
            UpdateOne({"_id": _key(encoder, each)}, [{"$set": {
                "encoder": encoder, "hash": each, "owner": {"$cond": [free, owner, "$owner"]},
                "until": {"$cond": [free, end, "$until"]},
            }}], upsert=True)
            for each in hashes
        ]  # fmt: skip
        with store_errors(f"claiming {len(writes)} contents"):
            if not self._swept:
                self._claims.create_index(
                    "until", expireAfterSeconds=0, partialFilterExpression={"until": {"$exists": True}}
                )
                self._swept = True
            try:
                self._claims.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                # Two that claim the same at the same moment: the server lets one of them insert.
                if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise
        found = self._find(encoder, hashes, {"hash": 1}, {"owner": owner})
        return {document["hash"] for document in found}

    def release(self, encoder: str, hashes: Collection[str], owner: str) -> None:
        """See `EmbeddingStore.release`."""
        claimed = {"_id": {"$in": [_key(encoder, each) for each in hashes]}, "owner": owner}
        with store_errors(f"releasing {len(hashes)} contents"):
            self._claims.delete_many({**claimed, "reason": {"$exists": False}})
            self._claims.update_many(claimed, {"$unset": {"owner": "", "until": ""}})

    def matrix(
        self, encoder: str, hashes: Sequence[str | None], dim: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """See `EmbeddingStore.matrix`."""
        rows: dict[str, list[int]] = {}
        for row, each in enumerate(hashes):
            if each is not None:
                rows.setdefault(each, []).append(row)
        vectors = np.zeros((len(hashes), dim), np.float32)
        mask = np.zeros(len(hashes), np.bool_)
        for document in self._find(encoder, rows, {"hash": 1, "vector": 1}):
            if "vector" in document:
                where = rows[document["hash"]]
                vectors[where] = _floats(document["vector"], dim, encoder)
                mask[where] = True
        return vectors, mask

    def select(self, modality: Modality, encoder: SelectedEncoder | None) -> None:
        """See `EmbeddingStore.select`."""
        key = {"_id": f"encoder:{modality}"}
        with store_errors(f"selecting the {modality} encoder"):
            if encoder is None:
                self._meta.delete_one(key)
            else:
                self._meta.replace_one(key, key | {"name": encoder.name, "dim": encoder.dim}, upsert=True)

    def selected(self, modality: Modality) -> SelectedEncoder | None:
        """See `EmbeddingStore.selected`."""
        with store_errors(f"reading which {modality} encoder is selected"):
            document = self._meta.find_one({"_id": f"encoder:{modality}"})
        return SelectedEncoder(document["name"], document["dim"]) if document else None

    def _find(
        self, encoder: str, hashes: Collection[str], fields: Document, also: Document | None = None
    ) -> Iterator[Document]:
        keys = [_key(encoder, each) for each in hashes]
        for begin in range(0, len(keys), READ_BATCH):
            chosen = {"_id": {"$in": keys[begin : begin + READ_BATCH]}, **(also or {})}
            with store_errors("reading vectors"):
                yield from self._embeddings.find(chosen, fields)


def _missing(field: str) -> Document:
    return {"$eq": [{"$type": f"${field}"}, "missing"]}


def _key(encoder: str, content: str) -> str:
    return f"{encoder}:{content}"


def _floats(binary: object, dim: int, encoder: str) -> Floats:
    """The vector behind a BSON binary: a two-byte header, then little-endian float32."""
    if not isinstance(binary, Binary) or binary.subtype != VECTOR_SUBTYPE or binary[:2] != _FLOAT32_HEADER:
        raise StoreError(f"collection embeddings holds something of {encoder} that is no float32 vector")
    vector = np.frombuffer(binary, "<f4", offset=2)
    if len(vector) != dim:
        raise StoreError(
            f"collection embeddings holds a vector of {encoder} with {len(vector)} numbers where {dim} were "
            "expected: remove the documents of that encoder and run embed again"
        )
    return vector.astype(np.float32)
