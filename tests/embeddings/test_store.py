"""One contract for both stores."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pymongo
import pytest
from bson.binary import Binary

from catalog.errors import StoreError
from embeddings.claims import Claims
from embeddings.mongo import MongoEmbeddingStore
from embeddings.store import EmbeddingStore, MemoryEmbeddingStore, SelectedEncoder
from tests.patience import eventually

VECTORS = np.array([[0.6, 0.8], [1, 0], [1 / 3, -2e-30]], np.float32)
HASHES = ["a" * 32, "b" * 32, "c" * 32]
FINE = [None, None, None]
LONG = 600.0
"""Seconds that no claim outlives in a test."""


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[pymongo.database.Database[dict[str, Any]]]:
    uri, name = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        yield client[name]


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.mongo)])
def store(request: pytest.FixtureRequest) -> EmbeddingStore:
    if request.param == "memory":
        return MemoryEmbeddingStore()
    return MongoEmbeddingStore(request.getfixturevalue("database"))


class TestEmbeddingStore:
    def test_what_was_put_comes_back_bit_for_bit(self, store: EmbeddingStore) -> None:
        store.put("e", HASHES, VECTORS, FINE)
        vectors, mask = store.matrix("e", HASHES, 2)
        assert vectors.dtype == np.float32
        assert vectors.tobytes() == VECTORS.tobytes()
        assert mask.all()

    def test_order_repeats_and_gaps(self, store: EmbeddingStore) -> None:
        store.put("e", HASHES, VECTORS, FINE)
        vectors, mask = store.matrix("e", [HASHES[1], None, "unknown", HASHES[0], HASHES[1]], 2)
        assert mask.tolist() == [True, False, False, True, True]
        np.testing.assert_array_equal(vectors, VECTORS[[1, 0, 0, 0, 1]] * mask[:, None])

    def test_encoders_do_not_mix(self, store: EmbeddingStore) -> None:
        store.put("e", HASHES[:1], VECTORS[:1], [None])
        store.put("f", HASHES[:1], np.ones((1, 3), np.float32), [None])
        assert store.known("e", HASHES) == {HASHES[0]: None}
        assert store.known("g", HASHES) == {}
        assert store.matrix("f", HASHES[:1], 3)[0].tolist() == [[1, 1, 1]]

    def test_failures_are_known_with_their_reason_and_masked(self, store: EmbeddingStore) -> None:
        store.put("e", HASHES, VECTORS, [None, "is damaged", None])
        assert store.known("e", [*HASHES, "unknown"]) == dict(
            zip(HASHES, [None, "is damaged", None], strict=True)
        )
        vectors, mask = store.matrix("e", HASHES, 2)
        assert mask.tolist() == [True, False, True]
        assert not vectors[1].any()

    def test_a_second_write_replaces_the_first(self, store: EmbeddingStore) -> None:
        store.put("e", HASHES, VECTORS, ["no", None, None])
        store.put("e", HASHES[:2], VECTORS[:2], [None, "no"])
        assert store.known("e", HASHES) == {HASHES[0]: None, HASHES[1]: "no", HASHES[2]: None}
        assert store.matrix("e", HASHES, 2)[1].tolist() == [True, False, True]

    def test_nothing_is_fine(self, store: EmbeddingStore) -> None:
        store.put("e", [], np.zeros((0, 2), np.float32), [])
        assert store.known("e", []) == {}
        assert store.matrix("e", [], 2)[0].shape == (0, 2)
        assert store.matrix("e", [None], 2)[0].shape == (1, 2)

    def test_more_than_one_read(self, store: EmbeddingStore) -> None:
        count = 2345
        hashes = [f"{number:032x}" for number in range(count)]
        vectors = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
        store.put("e", hashes, vectors, [None] * count)
        np.testing.assert_array_equal(store.matrix("e", hashes, 2)[0], vectors)
        assert len(store.known("e", hashes)) == count

    def test_selection(self, store: EmbeddingStore) -> None:
        assert store.selected("text") is None
        store.select("text", SelectedEncoder("e", 384))
        store.select("image", SelectedEncoder("f", 192))
        store.select("text", SelectedEncoder("g", 256))
        assert store.selected("text") == SelectedEncoder("g", 256)
        store.select("image", None)
        assert store.selected("image") is None


class TestClaims:
    """Whatever the store: a content is in one hand at a time."""

    def test_the_first_gets_it_and_the_second_the_rest(self, store: EmbeddingStore) -> None:
        assert store.claim("e", HASHES[:2], "a", LONG) == set(HASHES[:2])
        assert store.claim("e", HASHES, "b", LONG) == {HASHES[2]}
        assert store.claim("f", HASHES, "b", LONG) == set(HASHES), "another encoder is another matter"
        assert store.known("e", HASHES) == {}, "claimed is not known"
        assert not store.matrix("e", HASHES, 2)[1].any()

    def test_who_claims_again_keeps_it(self, store: EmbeddingStore) -> None:
        store.claim("e", HASHES, "a", 0.1)
        assert store.claim("e", HASHES, "a", LONG) == set(HASHES)
        time.sleep(0.15)
        assert store.claim("e", HASHES, "b", LONG) == set()

    def test_claims_run_out(self, store: EmbeddingStore) -> None:
        store.claim("e", HASHES, "a", 0.1)
        time.sleep(0.15)
        assert store.claim("e", HASHES[:1], "b", LONG) == {HASHES[0]}
        assert store.claim("e", HASHES, "a", LONG) == set(HASHES[1:])

    def test_what_was_put_cannot_be_claimed(self, store: EmbeddingStore) -> None:
        store.claim("e", HASHES, "a", LONG)
        store.put("e", HASHES, VECTORS, [None, "is damaged", None])
        assert store.claim("e", HASHES, "b", LONG) == set()
        assert store.claim("e", HASHES, "b", LONG, retry=True) == {HASHES[1]}
        assert store.known("e", HASHES) == {HASHES[0]: None, HASHES[1]: "is damaged", HASHES[2]: None}
        np.testing.assert_array_equal(store.matrix("e", HASHES, 2)[0], VECTORS * [[1], [0], [1]])

    def test_what_is_released_is_free_and_what_was_put_stays(self, store: EmbeddingStore) -> None:
        store.claim("e", HASHES, "a", LONG)
        store.put("e", HASHES[:1], VECTORS[:1], ["is damaged"])
        store.release("e", HASHES, "b")
        assert store.claim("e", HASHES, "b", LONG) == set(), "it was not b's to release"
        store.release("e", HASHES, "a")
        assert store.claim("e", HASHES, "b", LONG, retry=True) == set(HASHES)
        store.release("e", HASHES, "b")
        assert store.known("e", HASHES) == {HASHES[0]: "is damaged"}

    def test_nothing_is_fine(self, store: EmbeddingStore) -> None:
        assert store.claim("e", [], "a", LONG) == set()
        store.release("e", [], "a")

    def test_of_many_at_once_each_content_goes_to_one(self, store: EmbeddingStore) -> None:
        hashes = [f"{number:032x}" for number in range(300)]
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda owner: store.claim("e", hashes, f"owner {owner}", LONG), range(8)))
        assert sorted(each for part in taken for each in part) == hashes


class TestHeld:
    def test_what_is_not_put_is_given_back(self) -> None:
        store = MemoryEmbeddingStore()
        one, other = Claims(store, "e"), Claims(store, "e")

        def work(ours: set[str]) -> None:
            assert ours == set(HASHES)
            with other.held(HASHES) as theirs:
                assert theirs == set()
            store.put("e", HASHES[:1], VECTORS[:1], [None])
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), one.held(HASHES) as ours:
            work(ours)
        with other.held(HASHES) as theirs:
            assert theirs == set(HASHES[1:])

    def test_claims_are_kept_up_while_the_work_lasts(self) -> None:
        store = MemoryEmbeddingStore()
        kept_up, claim = [], store.claim

        def watched(*given: Any) -> set[str]:
            kept_up.append(given)
            return claim(*given)

        store.claim = watched  # type: ignore[method-assign]
        with Claims(store, "e", seconds=0.3).held(HASHES):
            eventually(lambda: len(kept_up) > 3)
        assert {(owner, seconds) for _, _, owner, seconds, _ in kept_up} == {(kept_up[0][2], 0.3)}
        assert all(set(hashes) == set(HASHES) for _, hashes, *_ in kept_up)


@pytest.mark.mongo
class TestMongo:
    def test_the_server_removes_claims_of_the_dead_and_no_vectors(self, database: Any) -> None:
        store = MongoEmbeddingStore(database)
        store.put("e", HASHES[:1], VECTORS[:1], [None])
        store.claim("e", HASHES, "a", 0)
        (index,) = (each for each in database["embeddings"].list_indexes() if "expireAfterSeconds" in each)
        assert (index["key"], index["expireAfterSeconds"]) == ({"until": 1}, 0)
        (vector,) = database["embeddings"].find({"until": {"$exists": False}})
        assert vector["hash"] == HASHES[0]

    def test_documents_are_what_vector_search_reads(self, database: Any) -> None:
        MongoEmbeddingStore(database).put("e", HASHES[:1], VECTORS[:1], [None])
        (document,) = database["embeddings"].find()
        assert document["_id"] == f"e:{HASHES[0]}"
        assert isinstance(document["vector"], Binary)
        assert document["vector"].subtype == 9
        assert document["vector"].as_vector().data == VECTORS[0].tolist()

    def test_a_second_run_adds_no_documents(self, database: Any) -> None:
        for _ in range(2):
            MongoEmbeddingStore(database).put("e", HASHES, VECTORS, FINE)
        assert database["embeddings"].count_documents({}) == 3

    def test_a_vector_of_another_length_is_an_error(self, database: Any) -> None:
        store = MongoEmbeddingStore(database)
        store.put("e", HASHES, VECTORS, FINE)
        with pytest.raises(StoreError, match="with 2 numbers where 3 were expected"):
            store.matrix("e", HASHES, 3)

    def test_something_else_under_a_vector_is_an_error(self, database: Any) -> None:
        document = {"_id": f"e:{HASHES[0]}", "hash": HASHES[0], "vector": Binary(b"12345678")}
        database["embeddings"].insert_one(document)
        with pytest.raises(StoreError, match="no float32 vector"):
            MongoEmbeddingStore(database).matrix("e", HASHES, 2)

    def test_no_server_is_a_store_error(self) -> None:
        with pymongo.MongoClient[dict[str, Any]](
            "mongodb://127.0.0.1:9", serverSelectionTimeoutMS=100
        ) as client:
            store = MongoEmbeddingStore(client["nowhere"])
            for call in (
                lambda: store.put("e", HASHES, VECTORS, FINE),
                lambda: store.known("e", HASHES),
                lambda: store.claim("e", HASHES, "a", LONG),
                lambda: store.release("e", HASHES, "a"),
                lambda: store.select("text", None),
                lambda: store.selected("text"),
            ):
                with pytest.raises(StoreError):
                    call()
