"""The index under writes: equal to a dictionary of vectors after any of them, and whole for every thread."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import DataError
from catalog.records import Floats
from index import live
from index.exact import ExactIndex
from index.faiss_index import FaissIndex
from index.live import LiveIndex
from tests.patience import PATIENCE, eventually

DIM = 3
NUMBERS = st.integers(-3, 3)
VECTOR = st.lists(NUMBERS, min_size=DIM, max_size=DIM)
ROW = st.integers(0, 12)
STEP = st.one_of(
    st.tuples(st.just("put"), st.lists(st.tuples(ROW, VECTOR), min_size=1, max_size=4)),
    st.tuples(st.just("remove"), st.lists(ROW, max_size=3)),
    st.tuples(st.just("merge"), st.none()),
    st.tuples(st.just("search"), st.tuples(VECTOR, st.integers(0, 15), st.integers(0, 2**13 - 1))),
)


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def found(index: LiveIndex, query: list[float], k: int = 99) -> dict[int, float]:
    (one,) = index.search(np.array([query], np.float32), k)
    return dict(zip(one.rows.tolist(), one.scores.tolist(), strict=True))


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
@settings(max_examples=150, deadline=None)
@given(start=st.lists(VECTOR, max_size=6), steps=st.lists(STEP, max_size=25))
def test_any_writes_and_searches_agree_with_an_exact_index(kind, start, steps) -> None:  # type: ignore[no-untyped-def]
    """The oracle is a dictionary; what is in it is searched exactly. Small integers: scores are exact."""
    vectors = np.array(start, np.float32).reshape(-1, DIM)
    index = LiveIndex(FaissIndex.build(vectors, kind), merge_at=10_000)
    truth = dict(enumerate(vectors))
    for what, given_ in steps:
        if what == "put":
            index.put(rows(*(row for row, _ in given_)), np.array([v for _, v in given_], np.float32))
            truth |= {row: np.array(vector, np.float32) for row, vector in given_}
        elif what == "remove":
            index.remove(rows(*given_))
            for row in given_:
                truth.pop(row, None)
        elif what == "merge":
            index.merge()
        else:
            check(index, truth, *given_)
    check(index, truth, [1, 2, 3], 20, 2**13 - 1)


def check(index: LiveIndex, truth: dict[int, Floats], query: list[int], k: int, bits: int) -> None:
    n = index.shape[0]
    assert n >= max(truth, default=-1) + 1
    allowed = np.array([bool(bits >> row & 1) for row in range(n)], bool)
    there = np.array(sorted(row for row in truth if allowed[row]), np.int64)
    oracle = ExactIndex(np.array([truth[row] for row in there.tolist()], np.float32).reshape(-1, DIM))
    asked = np.array([query], np.float32)
    (expected,), (answer,) = oracle.search(asked, k), index.search(asked, k, allowed)
    assert answer.scores.tolist() == expected.scores.tolist()
    assert len(set(answer.rows.tolist())) == len(answer)
    assert [float(truth[row] @ asked[0]) for row in answer.rows.tolist()] == answer.scores.tolist()
    if k >= len(there):
        assert answer.rows.tolist() == there[expected.rows].tolist()


def test_a_row_is_found_under_its_latest_vector_only() -> None:
    index = LiveIndex(FaissIndex.build(np.eye(3, dtype=np.float32)))
    index.put(rows(1, 5, 5), np.array([[9, 0, 0], [7, 7, 7], [0, 0, 4]], np.float32))
    assert index.shape == (6, 3)
    assert found(index, [1, 1, 1]) == {1: 9, 5: 4, 0: 1, 2: 1}
    index.merge()
    assert found(index, [1, 1, 1]) == {1: 9, 5: 4, 0: 1, 2: 1}
    index.remove(rows(1, 77))
    index.put(rows(0), np.array([[0, 2, 0]], np.float32))
    assert found(index, [1, 1, 1]) == {5: 4, 0: 2, 2: 1}
    index.put(rows(1), np.array([[1, 1, 1]], np.float32))
    assert found(index, [1, 1, 1])[1] == 3


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    index = LiveIndex(FaissIndex.build(np.eye(3, dtype=np.float32)))
    before = index.now
    for at, vectors in [
        (rows(0), np.zeros((1, 2))), (rows(0, 1), np.zeros((1, 3))), (rows(-1), np.zeros((1, 3))),
        (rows(0), np.full((1, 3), np.nan)), (rows(0)[0], np.zeros((1, 3))),
    ]:  # fmt: skip
        with pytest.raises(DataError, match="expected"):
            index.put(at, vectors.astype(np.float32))
    index.put(rows(), np.zeros((0, 3), np.float32))
    assert index.now is before


def test_many_writes_start_a_merge_beside() -> None:
    index = LiveIndex(FaissIndex.build(np.zeros((0, 4), np.float32)), merge_at=50)
    vectors = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    for row in range(120):
        index.put(rows(row), vectors[row : row + 1])
    index.close()
    index.merge()
    assert index.now.main.shape == (120, 4)
    assert index.now.rows is None, "rows that came in order need no map"
    (answer,), (exact,) = (one.search(vectors[:1], 20) for one in (index, ExactIndex(vectors)))
    assert answer.rows.tolist() == exact.rows.tolist()


def test_dead_places_are_swept_out_when_there_are_many() -> None:
    index = LiveIndex(FaissIndex.build(np.ones((10, 2), np.float32)))
    for _ in range(9):
        index.put(np.arange(5, 12), np.full((7, 2), 2, np.float32))
    index.remove(rows(0, 1))
    index.merge()
    assert index.now.main.shape[0] == 10  # rows 2 … 11
    assert found(index, [1, 1]) == dict.fromkeys((2, 3, 4), 2.0) | dict.fromkeys(range(5, 12), 4.0)
    index.remove(rows(5))
    assert 5 not in found(index, [1, 1])
    index.put(rows(3), np.array([[5, 5]], np.float32))
    assert found(index, [1, 1])[3] == 10


def test_writes_during_a_merge_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The merge stands still between reading the old state and writing the new one; writes go on."""
    index = LiveIndex(FaissIndex.build(np.eye(4, dtype=np.float32)))
    index.put(rows(4, 5), np.eye(2, 4, dtype=np.float32) * 3)
    building, written = threading.Event(), threading.Event()
    extended = FaissIndex.extended

    def slowly(self: FaissIndex, vectors: Floats) -> FaissIndex:
        building.set()
        assert written.wait(PATIENCE)
        return extended(self, vectors)

    monkeypatch.setattr(FaissIndex, "extended", slowly)
    merging = threading.Thread(target=index.merge)
    merging.start()
    assert building.wait(PATIENCE)
    index.remove(rows(0, 4))
    index.put(rows(5, 6), np.eye(2, 4, dtype=np.float32) * 8)
    during = found(index, [1, 1, 1, 1])
    written.set()
    merging.join()
    assert found(index, [1, 1, 1, 1]) == during == {5: 8, 6: 8, 1: 1, 2: 1, 3: 1}
    assert index.now.main.shape[0] == 6
    index.merge()
    assert found(index, [1, 1, 1, 1]) == during


def test_a_merge_that_fails_loses_nothing(monkeypatch: pytest.MonkeyPatch, caplog) -> None:  # type: ignore[no-untyped-def]
    def fail(*_: object) -> FaissIndex:
        raise MemoryError("no room")

    monkeypatch.setattr(FaissIndex, "extended", fail)
    index = LiveIndex(FaissIndex.build(np.eye(2, dtype=np.float32)), merge_at=2)
    index.put(rows(2, 3), 5 * np.eye(2, dtype=np.float32))
    index.close()
    assert "merging the index failed" in caplog.text
    assert found(index, [1, 1]) == {2: 5, 3: 5, 0: 1, 1: 1}


def test_threads_see_whole_writes_only() -> None:
    """Writers give a group of rows the same new vector in one call, or remove all of it, while merges run.

    A search that saw a part of a write would find two scores in one group, or a part of a group.
    """
    groups, size = 4, 5
    of_group = [np.arange(g * size, (g + 1) * size) for g in range(groups)]
    index = LiveIndex(FaissIndex.build(np.ones((groups * size, 2), np.float32)), merge_at=40)
    mains = {id(index.now.main): index.now.main}
    stop = threading.Event()
    wrong: list[str] = []
    searches = [0, 0, 0]

    def write(group: int) -> None:
        version = 1.0
        while not stop.is_set():
            version += 1
            index.put(of_group[group], np.full((size, 2), version, np.float32))
            if version % 7 == 0:
                index.remove(of_group[group])

    def read(number: int) -> None:
        latest = np.zeros(groups)
        query = np.array([[1, 0]], np.float32)
        while not stop.is_set():
            (one,) = index.search(query, groups * size)
            searches[number] += 1
            for group in range(groups):
                scores = one.scores[one.rows // size == group]
                if len(scores) not in (0, size) or len(np.unique(scores)) > 1:
                    wrong.append(f"group {group}: {scores}")
                elif len(scores):
                    if scores[0] < latest[group]:
                        wrong.append(f"group {group} went back from {latest[group]} to {scores[0]}")
                    latest[group] = scores[0]

    threads = [threading.Thread(target=write, args=(g,)) for g in range(groups)]
    threads += [threading.Thread(target=read, args=(r,)) for r in range(len(searches))]

    def enough() -> bool:
        main = index.now.main
        mains[id(main)] = main  # kept, so that no other gets its number
        return bool(wrong) or (min(searches) > 300 and len(mains) > 5)

    for thread in threads:
        thread.start()
    try:
        eventually(enough)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        index.close()
    assert wrong == []


def test_searches_of_an_untouched_index_are_the_main_indexs(monkeypatch: pytest.MonkeyPatch) -> None:
    main = FaissIndex.build(np.eye(3, dtype=np.float32))
    index = LiveIndex(main)
    monkeypatch.setattr(live, "check_search", None)  # nothing of its own runs
    assert found(index, [1, 0, 0], 1) == {0: 1.0}
