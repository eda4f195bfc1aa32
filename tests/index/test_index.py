"""One contract for every index: exact oracle, FAISS flat, FAISS HNSW, and the one that takes writes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import BundleError, DataError
from catalog.records import Floats
from index import faiss_index
from index.exact import ExactIndex
from index.faiss_index import FaissIndex, measured_recall
from index.live import LiveIndex
from index.protocol import VectorIndex

Build = Callable[[Floats], VectorIndex]


def written(vectors: Floats) -> LiveIndex:
    """The first half built, the rest put; of it one part merged, and one row put before with another vector."""
    check = FaissIndex.build(vectors)  # refuses what it should
    half, most = len(vectors) // 2, len(vectors) * 3 // 4
    index = LiveIndex(FaissIndex.build(check.vectors[:half], "flat"))
    if most < len(vectors):
        index.put(np.array([most]), -7 * np.ones((1, vectors.shape[1]), np.float32))
    index.put(np.arange(half, most), check.vectors[half:most])
    index.merge()
    index.put(np.arange(most, len(vectors)), check.vectors[most:])
    return index


BUILDS: dict[str, Build] = {
    "exact": ExactIndex,
    "faiss-flat": lambda vectors: FaissIndex.build(vectors, "flat"),
    "faiss-hnsw": lambda vectors: FaissIndex.build(vectors, "hnsw"),
    "live": lambda vectors: LiveIndex(FaissIndex.build(vectors)),
    "live-written": written,
}

# Inner products with (1, 0) are 3, 1, 2, 2, -1; with (0, 1): 0, 5, 1, 1, 0.
VECTORS = np.array([[3, 0], [1, 5], [2, 1], [2, 1], [-1, 0]], np.float32)
QUERIES = np.eye(2, dtype=np.float32)


@pytest.fixture(params=BUILDS, ids=str)
def build(request: pytest.FixtureRequest) -> Build:
    return BUILDS[request.param]


@pytest.fixture(params=["filter searched exactly", "filter given to FAISS"])
def threshold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "filter given to FAISS":
        monkeypatch.setattr(faiss_index, "EXACT_BELOW", -1)


@pytest.mark.usefixtures("threshold")
class TestContract:
    def test_best_first_and_equal_scores_by_row(self, build: Build) -> None:
        first, second = build(VECTORS).search(QUERIES, 4)
        assert first.rows.tolist() == [0, 2, 3, 1]
        assert first.scores.tolist() == [3, 2, 2, 1]
        assert second.rows.tolist()[:3] == [1, 2, 3]
        assert (first.rows.dtype, first.scores.dtype) == (np.int64, np.float32)

    def test_more_than_there_are_gives_all_and_no_padding(self, build: Build) -> None:
        (found,) = build(VECTORS).search(QUERIES[:1], 50)
        assert found.rows.tolist() == [0, 2, 3, 1, 4]

    def test_only_allowed_rows_come_back(self, build: Build) -> None:
        allowed = np.array([False, True, False, True, True])
        (found,) = build(VECTORS).search(QUERIES[:1], 2, allowed)
        assert found.rows.tolist() == [3, 1]
        (found,) = build(VECTORS).search(QUERIES[:1], 50, allowed)
        assert found.rows.tolist() == [3, 1, 4]

    @pytest.mark.parametrize("k", [0, 1, 50])
    def test_nothing_allowed_finds_nothing(self, build: Build, k: int) -> None:
        found = build(VECTORS).search(QUERIES, k, np.zeros(5, bool))
        assert [one.rows.tolist() for one in found] == [[], []]

    def test_k_of_zero_and_no_queries(self, build: Build) -> None:
        assert [len(one) for one in build(VECTORS).search(QUERIES, 0)] == [0, 0]
        assert build(VECTORS).search(np.zeros((0, 2), np.float32), 3) == []

    def test_an_empty_index_finds_nothing(self, build: Build) -> None:
        index = build(np.zeros((0, 2), np.float32))
        assert index.shape == (0, 2)
        assert [len(one) for one in index.search(QUERIES, 3)] == [0, 0]

    @pytest.mark.parametrize(
        "queries", [[[1.0]], [[1.0, 2.0, 3.0]], [1.0, 2.0], [[np.nan, 0.0]], [[np.inf, 0.0]]]
    )
    def test_queries_that_do_not_fit_are_refused(self, build: Build, queries: list[object]) -> None:
        with pytest.raises(DataError, match=r"expected finite queries \[any, 2\]"):
            build(VECTORS).search(np.array(queries, np.float32), 1)

    @pytest.mark.parametrize("mask", [np.ones(4, bool), np.ones(5, np.int8), np.ones((1, 5), bool)])
    def test_masks_that_do_not_fit_are_refused(self, build: Build, mask: np.ndarray) -> None:
        with pytest.raises(DataError, match=r"expected a mask bool \[5\]"):
            build(VECTORS).search(QUERIES, 1, mask)

    def test_a_negative_k_is_refused(self, build: Build) -> None:
        with pytest.raises(DataError, match="at least 0, found -1"):
            build(VECTORS).search(QUERIES, -1)

    @pytest.mark.parametrize("vectors", [np.full((3, 2), np.nan), np.zeros(3), np.zeros((3, 0))])
    def test_vectors_that_cannot_be_searched_are_refused(self, build: Build, vectors: np.ndarray) -> None:
        with pytest.raises(DataError, match="expected finite vectors"):
            build(vectors.astype(np.float32))

    def test_duplicates_all_come_back(self, build: Build) -> None:
        (found,) = build(np.ones((40, 3), np.float32)).search(np.ones((1, 3), np.float32), 40)
        assert found.rows.tolist() == list(range(40))


@pytest.mark.parametrize("name", BUILDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_search_agrees_with_a_sort(name: str, data: st.DataObject) -> None:
    """Small integers: products are exact in float32, and equal scores are common."""
    n, dim = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 4))
    numbers = st.integers(-3, 3)
    flat = data.draw(st.lists(numbers, min_size=n * dim, max_size=n * dim))
    vectors = np.array(flat, np.float32).reshape(n, dim)
    query = np.array(data.draw(st.lists(numbers, min_size=dim, max_size=dim)), np.float32)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    k = data.draw(st.integers(0, 40))
    (found,) = BUILDS[name](vectors).search(query[None], k, allowed)
    scores = vectors @ query
    expected = sorted((s for s, ok in zip(scores, allowed, strict=True) if ok), reverse=True)[:k]
    assert found.scores.tolist() == expected
    assert allowed[found.rows].all()
    assert len(set(found.rows.tolist())) == len(found)
    assert found.scores.tolist() == scores[found.rows].tolist()
    order = list(zip(-found.scores, found.rows, strict=True))
    assert order == sorted(order)


@pytest.fixture(scope="module")
def graph() -> tuple[FaissIndex, Floats]:
    vectors = np.random.default_rng(4).normal(size=(12_000, 16)).astype(np.float32)
    return FaissIndex.build(vectors, "hnsw"), vectors


@pytest.mark.parametrize("share", [1.0, 0.3, 0.05, 0.01, 0.001])
def test_graph_search_keeps_its_recall_under_filters(
    share: float, graph: tuple[FaissIndex, Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_index, "EXACT_BELOW", 1_000)
    index, vectors = graph
    rng = np.random.default_rng(5)
    queries = rng.normal(size=(20, 16)).astype(np.float32)
    allowed = rng.random(len(vectors)) < share
    oracle = ExactIndex(vectors)
    pairs = zip(index.search(queries, 100, allowed), oracle.search(queries, 100, allowed), strict=True)
    recalls = [len(np.intersect1d(a.rows, b.rows)) / len(b) for a, b in pairs]
    assert np.mean(recalls) >= (0.95 if share == 1.0 else 0.9)
    if allowed.sum() <= faiss_index.EXACT_BELOW:
        assert recalls == [1.0] * len(queries)


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_saved_and_loaded_finds_the_same(kind: faiss_index.Kind, tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    index = FaissIndex.build(vectors, kind)
    index.save(tmp_path / "index.faiss")
    again = FaissIndex.load(tmp_path / "index.faiss", vectors)
    assert again.kind == kind
    for a, b in zip(index.search(vectors[:9], 7), again.search(vectors[:9], 7), strict=True):
        assert a.rows.tolist() == b.rows.tolist()
    assert measured_recall(index, vectors, vectors[:50], 10) == pytest.approx(1.0, abs=0.01)
    with pytest.raises(BundleError, match="inner-product index of 299 vectors of 8"):
        FaissIndex.load(tmp_path / "index.faiss", vectors[:-1])
    (tmp_path / "index.faiss").write_bytes(b"junk")
    with pytest.raises(BundleError, match="expected a FAISS index"):
        FaissIndex.load(tmp_path / "index.faiss", vectors)


def test_the_kind_follows_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_index, "FLAT_BELOW", 3)
    assert FaissIndex.build(VECTORS[:2]).kind == "flat"
    assert FaissIndex.build(VECTORS[:3]).kind == "hnsw"
