"""Windows and sections by hand; that the encoders read so is in test_text and test_export."""

from itertools import pairwise

import numpy as np
import pytest

from catalog.records import Floats
from embeddings.windows import MAX_CHARACTERS, MAX_WINDOWS, cut, reasons, window_cuts


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


def tokens(parts: list[str]) -> list[list[tuple[int, int]]]:
    return [words(part) for part in parts]


def test_pieces_by_hand() -> None:
    found = cut(["a b c d e\n\nf", "", "g"], tokens, 4)
    assert found.texts == ["a b c d", "d e", "f", "g"]
    assert found.sections.tolist() == [0, 0, 1, 2]
    assert found.owners.tolist() == [0, 0, 2]
    assert found.count == 3


def test_pooling_by_hand() -> None:
    # The two windows of the first section point along x and y, so the section lies between them, at 45°; the second
    # section lies along y. Their mean direction is at 67.5°.
    found = cut(["a b c d e\n\nf", "", "g"], tokens, 4)
    vectors: Floats = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], np.float32)
    angle = np.deg2rad(67.5)
    np.testing.assert_allclose(
        found.pooled(vectors), [[np.cos(angle), np.sin(angle)], [0, 0], [1, 0]], atol=1e-6
    )


def test_a_long_body_weighs_no_more_than_a_title() -> None:
    found = cut(["t\n\n" + "w " * 40], tokens, 4)
    vectors = np.zeros((len(found.texts), 2), np.float32)
    vectors[0, 0] = vectors[1:, 1] = 1
    np.testing.assert_allclose(found.pooled(vectors), [[0.5**0.5, 0.5**0.5]], atol=1e-6)


def test_no_texts_and_texts_without_words() -> None:
    assert cut([], tokens, 4).pooled(np.zeros((0, 3), np.float32)).shape == (0, 3)
    silent = cut(["", "\n\n", " "], tokens, 4)
    assert silent.texts == []
    vectors = silent.pooled(np.zeros((0, 3), np.float32))
    assert vectors.shape == (3, 3)
    assert reasons(vectors) == ["has no words"] * 3


def test_only_the_beginning_of_a_megabyte_is_read() -> None:
    read: list[str] = []

    def measured(parts: list[str]) -> list[list[tuple[int, int]]]:
        read.extend(parts)
        return tokens(parts)

    found = cut(["word " * 200_000], measured, 8)
    assert len(read[0]) <= MAX_CHARACTERS
    assert len(found.texts) == MAX_WINDOWS
