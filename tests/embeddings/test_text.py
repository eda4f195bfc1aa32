from itertools import pairwise

import numpy as np
import pytest

from catalog.records import Item, ItemId
from embeddings.text import MAX_WINDOWS, TextEncoder, unit, window_cuts


def words(text: str) -> list[tuple[int, int]]:
    """One token a word."""
    ends = [place for place, letter in enumerate(text + " ") if letter == " "]
    return [(begin, end) for begin, end in zip([0, *(e + 1 for e in ends)], ends, strict=False)]


def pieces(text: str, *args: int) -> list[str]:
    return [text[begin:end] for begin, end in window_cuts(text, words(text), *args)]


def test_a_text_that_fits_is_one_window() -> None:
    assert pieces("a b c d", 4) == ["a b c d"]
    assert window_cuts("", [], 4) == []


def test_windows_by_hand() -> None:
    # Windows of 4 tokens begin 3 apart: tokens 0-3, 3-6, 6-9.
    assert pieces("a b c d e f g h i j", 4) == ["a b c d", "d e f g", "g h i j"]
    assert pieces("a b c d e", 4) == ["a b c d", "d e"]


def test_windows_keep_words_whole() -> None:
    # "abc" is one word of three tokens at 2-4; no window ends or starts inside it.
    text = "x y abc z w"
    offsets = [(0, 1), (2, 3), (4, 5), (5, 6), (6, 7), (8, 9), (10, 11)]
    assert [text[b:e] for b, e in window_cuts(text, offsets, 4)] == ["x y", "y abc", "abc z", "z w"]


def test_a_word_longer_than_a_window_is_cut() -> None:
    text = "a" * 12
    cuts = window_cuts(text, [(place, place + 1) for place in range(12)], 4)
    assert cuts == [(0, 4), (3, 7), (6, 10), (9, 12)]


@pytest.mark.parametrize("count", [5, 17, 40, 41, 42, 43, 44])
def test_windows_cover_every_token_in_order(count: int) -> None:
    text = " ".join(str(number) for number in range(count))
    windows = [[int(word) for word in piece.split()] for piece in pieces(text, 8)]
    assert sorted({word for window in windows for word in window}) == list(range(count))
    assert all(len(window) <= 8 for window in windows)
    assert all(a[0] < b[0] <= a[-1] + 1 for a, b in pairwise(windows))


def test_windows_are_bounded() -> None:
    assert len(pieces("w " * 5000 + "w", 8)) == MAX_WINDOWS


def test_unit_leaves_zeros_alone() -> None:
    rows = unit(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], atol=1e-7)


@pytest.mark.train
class TestSbert:
    def test_canonical_vectors(self, sbert: TextEncoder) -> None:
        vectors = sbert.encode_texts(
            ["Toy Story (1995). A cowboy doll is threatened by a new spaceman toy.", "Heat"]
        )
        expected = [
            [-0.062160, 0.008500, 0.046894, 0.010327, 0.033623],
            [-0.065017, 0.033546, 0.000268, 0.115027, 0.035437],
        ]
        np.testing.assert_allclose(vectors[:, :5], expected, atol=1e-4)
        assert sbert.name == "sbert:all-minilm-l6-v2:a683a6d1843b:1"
        assert sbert.dim == 384

    def test_short_texts_are_what_sentence_transformers_says(self, sbert: TextEncoder) -> None:
        texts = ["A heist in Los Angeles", "Toys come alive", "Ein Film über Züge"]
        np.testing.assert_allclose(
            sbert.encode_texts(texts), sbert._model.encode(texts, show_progress_bar=False), atol=1e-5
        )

    def test_long_text_is_the_mean_of_its_windows(self, sbert: TextEncoder) -> None:
        text = " ".join(f"Scene {number}: the submarine dives." for number in range(60))
        (windows,) = sbert.windows([text])
        assert len(windows) > 1
        parts = sbert._model.encode(windows, normalize_embeddings=True, show_progress_bar=False)
        mean = parts.mean(axis=0)
        np.testing.assert_allclose(sbert.encode_texts([text])[0], mean / np.linalg.norm(mean), atol=1e-5)

    def test_the_end_of_a_long_text_is_read(self, sbert: TextEncoder) -> None:
        opening = "The committee discussed the budget of the town. " * 30
        query, plain, ends_so = sbert.encode_texts(
            ["a dragon burns the castle", opening, opening + "Then a dragon burned the castle. " * 8]
        )
        assert query @ ends_so > query @ plain + 0.1

    def test_a_megabyte_is_bounded(self, sbert: TextEncoder) -> None:
        (windows,) = sbert.windows(["one more word " * 80_000])
        assert len(windows) == MAX_WINDOWS

    def test_meaning_beats_words(self, sbert: TextEncoder) -> None:
        items = [
            Item(ItemId("1"), "Free Willy", "A boy befriends a whale"),
            Item(ItemId("2"), "The Big Blue", "Divers who love the sea and its dolphins"),
            Item(ItemId("3"), "Wall Street", "A broker befriends a ruthless financier"),
        ]
        willy, blue, street = sbert.encode(items)[0]
        assert willy @ blue > willy @ street
