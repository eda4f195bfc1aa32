"""What a search looks for besides its words, and what is answered where nothing matches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from catalog.errors import ConfigError
from embeddings.hashing import HashingTextEncoder
from index.words import LiveWords, WordIndex, write_words
from serving.search import expand
from serving.search.spelling import respelled, slips
from serving.search.synonyms import PACKAGED, Synonyms
from tests.bundle import senses
from tests.serving.sensing import Shop, ids


def synonyms(folder: Path, text: str) -> Path:
    path = folder / "synonyms.toml"
    path.write_text(text)
    return path


class TestSynonyms:
    def test_words_and_phrases_whatever_their_case(self) -> None:
        known = Synonyms([["Sci-Fi", "science fiction"], ["film", "movie", "flick"]])
        assert known.of("a SCIENCE  fiction Movie") == {
            "science fiction": ("sci fi",), "movie": ("film", "flick")
        }  # fmt: skip
        assert known.of("science") == known.of("") == {}

    def test_a_longer_phrase_hides_what_is_in_it(self) -> None:
        known = Synonyms([["phone", "mobile"], ["cell phone", "handset"]])
        assert known.of("cell phone phone") == {"cell phone": ("handset",), "phone": ("mobile",)}

    def test_a_word_of_two_meanings_has_the_words_of_both(self) -> None:
        assert Synonyms([["pants", "trousers"], ["pants", "underwear"]]).of("pants") == {
            "pants": ("trousers", "underwear")
        }

    def test_the_packaged_ones(self) -> None:
        known = Synonyms.read(PACKAGED)
        assert known.of("wireless earbuds")["earbuds"] == ("earphones", "earpods", "in ear headphones")

    @pytest.mark.parametrize("text", ["same = 3", "same = [[1]]", "other = []", "same = [", "\0"])
    def test_a_file_that_is_none_is_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigError, match=r"expected synonyms in .*synonyms\.toml"):
            Synonyms.read(synonyms(tmp_path, text))

    def test_the_named_file_comes_first_then_the_bundles(self, tmp_path: Path) -> None:
        assert Synonyms.open(None, tmp_path).of("earbuds")
        (tmp_path / "words").mkdir()
        synonyms(tmp_path / "words", 'same = [["a", "b"]]')
        assert (Synonyms.open(None, tmp_path).of("earbuds"), Synonyms.open(None, tmp_path).of("a")) == (
            {}, {"a": ("b",)}
        )  # fmt: skip
        assert Synonyms.open(synonyms(tmp_path, 'same = [["a", "c"]]'), tmp_path).of("a") == {"a": ("c",)}


class TestWords:
    @pytest.fixture
    def words(self, tmp_path: Path) -> LiveWords:
        documents = [{"tv": 1.0}, {"flat": 1.0, "screen": 1.0}, {"flat": 1.0}, {"sofa": 1.0}]
        write_words(tmp_path, documents)
        return LiveWords(WordIndex.open(tmp_path))

    def test_a_phrase_is_held_whole_or_not(self, words: LiveWords) -> None:
        everything = np.ones(4, bool)
        found = words.search("television", 9, everything, {("tv",): 0.5, ("flat", "screen"): 0.5})
        assert sorted(found.rows.tolist()) == [0, 1]
        assert len(words.search("television", 9, everything)) == 0

    def test_what_is_searched_besides_counts_as_told(self, words: LiveWords) -> None:
        everything = np.ones(4, bool)
        whole = words.search("tv", 9, everything).scores
        assert words.search("x", 9, everything, {("tv",): 0.25}).scores == pytest.approx(whole / 4)

    def test_words_that_come_and_go(self, words: LiveWords) -> None:
        assert (words.held_by("flat"), words.held_by("tv"), words.held_by("lamp")) == (2, 1, 0)
        words.put(0, {"lamp": 1.0, "flat": 1.0})
        assert (words.held_by("flat"), words.held_by("tv"), words.held_by("lamp")) == (3, 0, 1)


class TestSpelling:
    @given(st.text("ab", max_size=4))
    def test_slips_are_all_that_one_operation_makes(self, word: str) -> None:
        """Against the definition, for all texts of up to five letters out of two."""
        texts = ("".join(letters) for size in range(6) for letters in itertools.product("ab", repeat=size))
        found = {slip for slip in slips(word) if set(slip) <= {"a", "b"}} - {word}
        assert found == {text for text in texts if text != word and _one_slip(word, text)}

    def test_the_word_that_most_items_say(self) -> None:
        said = {"shirt": 232, "shri": 3, "vacuum": 22}
        assert [respelled(word, lambda slip: said.get(slip, 0)) for word in ("shrit", "vaccum", "qwerty")] == [
            "shirt", "vacuum", None
        ]  # fmt: skip

    def test_short_words_are_left_alone(self) -> None:
        assert respelled("shir", {"shirt": 1}.__getitem__) is None


def _one_slip(one: str, other: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours makes one of the other."""
    if len(one) == len(other):
        odd = [at for at in range(len(one)) if one[at] != other[at]]
        swapped = (
            len(odd) == 2
            and odd[1] == odd[0] + 1
            and one[odd[0]] == other[odd[1]]
            and one[odd[1]] == other[odd[0]]
        )
        return len(odd) == 1 or swapped
    short, long = sorted((one, other), key=len)
    return len(long) == len(short) + 1 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


class Thesaurus:
    """Knows what one word means, and remembers what it is asked."""

    def __init__(self) -> None:
        self._letters = HashingTextEncoder(senses.TEXT)
        self.asked: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> Any:
        self.asked += texts
        return self._letters.encode_texts([text.replace("skipper", "astronaut") for text in texts])


class TestOverHttp:
    def ask(self, client: TestClient, q: str, **query: Any) -> Any:
        return client.get("/v1/search", params={"q": q, "explain": True, **query}).json()

    def test_synonyms_find_what_is_called_otherwise(self, worker: TestClient) -> None:
        """No item says soccer; those about football do, and the theme is a word of theirs."""
        body = self.ask(worker, "soccer", limit=500, category="football")
        assert body["expanded"] == {"soccer": ["football"]}
        assert "fallback_reason" not in body
        assert {item["item_id"] for item in body["items"]} == {f"i{row}" for row in range(3, senses.N, 4)}
        assert "words" in {item["source"] for item in body["items"]}
        assert "expanded" not in worker.get("/v1/search", params={"q": "soccer"}).json()

    def test_only_what_some_item_says_is_searched(self, worker: TestClient) -> None:
        assert self.ask(worker, "earbuds")["expanded"] == {}

    def test_a_file_of_ones_own(self, shop: Shop, tmp_path: Path) -> None:
        with shop.worker(
            synonyms=synonyms(tmp_path, 'same = [["spaceship", "rocket", "airship"]]')
        ) as client:
            assert self.ask(client, "Spaceship")["expanded"] == {"spaceship": ["rocket"]}
            assert self.ask(client, "soccer")["expanded"] == {}

    def test_the_encoder_suggests_for_words_that_no_item_says(self, worker: TestClient) -> None:
        model = worker.app.state.service.model  # type: ignore[attr-defined]
        model.senses.text = Thesaurus()
        assert self.ask(worker, "the skipper of a rocket")["expanded"] == {"skipper": ["astronaut"]}
        asked = len(model.senses.text.asked)
        assert 2 < asked <= expand.NEAR_WORDS + 2
        again = self.ask(worker, "skipper!", limit=3)
        assert again["expanded"] == {"skipper": ["astronaut"]}
        assert {item["metadata"]["theme"] for item in again["items"]} == {"space"}
        assert model.senses.text.asked[asked:] == ["skipper!"]

    def test_misspelled_words_are_searched_as_they_are_spelled(self, worker: TestClient) -> None:
        body = self.ask(worker, "astronout", limit=3)
        assert body["expanded"] == {"astronout": ["astronaut"]}
        assert {item["metadata"]["theme"] for item in body["items"]} == {"space"}
        assert "fallback_reason" not in body

    def test_what_is_remembered_is_bounded(self, worker: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(expand, "REMEMBERED", 8)
        model = worker.app.state.service.model  # type: ignore[attr-defined]
        model.senses.text = Thesaurus()
        for word in (
            "skipper",
            "captain",
            "pilot",
            "cosmonaut",
            "navigator",
            "sailor",
            "rower",
            "diver",
            "driver",
        ):
            self.ask(worker, word)
        assert len(model.expansion._suggested) <= 8
        assert len(model.expansion._vectors) <= expand.NEAR_WORDS + 1

    def test_what_is_trending_where_nothing_matches(self, worker: TestClient) -> None:
        body = self.ask(worker, "qwertyzxcv", limit=4)
        assert body["fallback_reason"] == "no_search_matches"
        assert {item["source"] for item in body["items"]} <= {"trending", "popular"}
        assert len(body["items"]) == 4
        filtered = worker.get("/v1/search", params={"q": "qwertyzxcv", "category": "horror", "limit": 500})
        assert {int(name[1:]) % 4 for name in ids(filtered)} == {2}
        assert "fallback_reason" not in self.ask(worker, "rocket")

    def test_a_page_beyond_the_end_is_no_failure_to_match(self, worker: TestClient) -> None:
        body = self.ask(worker, "rocket", offset=1000)
        assert (body["items"], "fallback_reason" in body) == ([], False)
