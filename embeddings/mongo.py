"""Vectors in MongoDB: one document per encoder and content, the vector as BSON binary float32 (subtype 9).

That is the form that Atlas Vector Search reads, so `embeddings` can be indexed there as it is. Which
encoder a catalogue uses is noted in `meta`. Writes are journaled and majority-committed before they return.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary, BinaryVectorDtype
from numpy.typing import NDArray
from pymongo import ReplaceOne
from pymongo.database import Database

from catalog.errors import StoreError
from catalog.mongo import DURABLE, store_errors
from catalog.records import Floats
from embeddings.encoder import Modality
from embeddings.store import Reasons, SelectedEncoder

Document = dict[str, Any]
READ_BATCH = 1000
_FLOAT32_HEADER = bytes([BinaryVectorDtype.FLOAT32.value[0], 0])


class MongoEmbeddingStore:
    """`embeddings.store.EmbeddingStore` on one MongoDB database."""

    def __init__(self, database: Database[Document]) -> None:
        self._embeddings = database.get_collection("embeddings", write_concern=DURABLE)
        self._meta = database.get_collection("meta", write_concern=DURABLE)

    def known(self, encoder: str, hashes: Collection[str]) -> dict[str, str | None]:
        """See `EmbeddingStore.known`."""
        found = self._find(encoder, hashes, {"hash": 1, "reason": 1})
        return {document["hash"]: document.get("reason") for document in found}

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

    def _find(self, encoder: str, hashes: Collection[str], fields: Document) -> Iterator[Document]:
        keys = [_key(encoder, each) for each in hashes]
        for begin in range(0, len(keys), READ_BATCH):
            chosen = {"_id": {"$in": keys[begin : begin + READ_BATCH]}}
            with store_errors("reading vectors"):
                yield from self._embeddings.find(chosen, fields)


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
