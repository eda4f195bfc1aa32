"""Search by word: scores by hand, an oracle that reads all documents, and any order of writes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import BundleError, DataError
from catalog.records import Item, ItemId
from index.words import LiveWords, WordIndex, words_in, words_of, write_words

WORDS = st.dictionaries(st.sampled_from(["a", "b", "c", "東京"]), st.integers(1, 5).map(float), max_size=4)


def live(folder: Path, documents: list[dict[str, float]]) -> LiveWords:
    folder.mkdir(exist_ok=True, parents=True)
    write_words(folder, documents)
    return LiveWords(WordIndex.open(folder))


def by_hand(documents: dict[int, dict[str, float]], query: list[str]) -> dict[int, float]:
    """BM25 as it is written in textbooks, over all documents."""
    average = sum(sum(d.values()) for d in documents.values()) / max(1, len(documents))
    scores: dict[int, float] = {}
    for word in dict.fromkeys(query):
        holding = sum(word in d for d in documents.values())
        rarity = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for row, document in documents.items():
            if word in document:
                count, length = document[word], sum(document.values())
                share = count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / average))
                scores[row] = scores.get(row, 0) + rarity * share
    return scores


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Amélie, 2001!", ["amelie", "2001"]), ("STRASSE Straße", ["strasse", "strasse"]), ("", []), ("🎬 …", []),
        ("snake_case O'Neil", ["snake_case", "o", "neil"]), ("مرحبا 東京", ["مرحبا", "東京"]),
        ("x" * 70_000, ["x" * 64_000]),
    ],
)  # fmt: skip
def test_words_are_without_case_and_accents(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_a_word_of_the_title_counts_as_three() -> None:
    item = Item(
        ItemId("1"), "Star wars", "Wars in space", features={"genres": ("Sci-Fi",), "year": 1977.0, "n": None}
    )
    assert words_of(item) == {"star": 3, "wars": 4, "in": 1, "space": 1, "sci": 1, "fi": 1}


def test_scores_by_hand(tmp_path: Path) -> None:
    """Two documents of 2 and 4 words, 3 on average. `b` is in one: rarity log(1 + 1.5/1.5) = log 2."""
    index = live(tmp_path, [{"a": 1, "b": 1}, {"a": 4}])
    found = index.search("B!", 5, np.ones(2, bool))
    norm = 1.2 * (0.25 + 0.75 * 2 / 3)
    assert found.rows.tolist() == [0]
    assert found.scores[0] == pytest.approx(math.log(2) * 2.2 / (1 + norm), rel=1e-5)
    both = index.search("a b b nothing", 5, np.ones(2, bool))
    assert both.rows.tolist() == [0, 1]
    assert index.search("a b", 5, np.array([False, True])).rows.tolist() == [1]
    assert index.search("a b", 1, np.ones(2, bool)).rows.tolist() == [0]
    assert len(index.search("", 5, np.ones(2, bool))) == len(index.search("zzz", 5, np.ones(2, bool))) == 0


@settings(max_examples=120, deadline=None)
@given(
    start=st.lists(WORDS, max_size=5),
    writes=st.lists(st.tuples(st.integers(0, 9), WORDS), max_size=12),
    query=st.lists(st.sampled_from(["a", "b", "c", "東京", "zz"]), max_size=4),
)
def test_any_writes_agree_with_reading_everything(tmp_path_factory, start, writes, query) -> None:  # type: ignore[no-untyped-def]
    index = live(tmp_path_factory.mktemp("words"), start)
    truth = dict(enumerate(start))
    for row, counts in writes:
        row = min(row, len(truth))  # rows are added one after the other
        index.put(row, counts)
        truth[row] = counts
    found = index.search(" ".join(query), 20, np.ones(len(truth), bool))
    scores = dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))
    assert scores == pytest.approx(by_hand(truth, query), rel=1e-4)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


def test_what_was_written_is_mapped(tmp_path: Path) -> None:
    index = live(tmp_path, [{"zebra": 1.0, "apple": 2.0}, {}, {"apple": 1.0, "éclair": 1.0}])
    base = WordIndex.open(tmp_path)
    assert [base.vocabulary[i] for i in range(3)] == [b"apple", b"zebra", "éclair".encode()]
    assert [part.tolist() for part in base.postings("apple")] == [[0, 2], [2, 1]]
    assert [part.tolist() for part in base.postings("app")] == [[], []]
    assert base.lengths.tolist() == [3, 0, 2]
    assert not base.rows.flags.writeable
    assert index.search("zebra", 3, np.ones(3, bool)).rows.tolist() == [0]
    np.save(tmp_path / "rows.npy", base.rows[:-1].copy())
    with pytest.raises(BundleError, match=r"expected int32 \[4\]"):
        WordIndex.open(tmp_path)


def test_nothing_at_all(tmp_path: Path) -> None:
    index = live(tmp_path, [])
    assert len(index.search("a", 3, np.zeros(0, bool))) == 0
    index.put(0, {"a": 1.0})
    assert index.search("a", 3, np.ones(1, bool)).rows.tolist() == [0]
    with pytest.raises(DataError, match="valid Unicode"):
        write_words(tmp_path, [{"\ud800": 1.0, "?": 1.0}])
