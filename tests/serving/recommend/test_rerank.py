"""Diversity on four vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.recommend.rerank import diversify, make_room

# Two near copies, one at right angles, one opposite.
VECTORS = np.array([[1, 0], [2, 0], [0, 1], [-1, 0]], np.float32)
SCORES = np.array([1.0, 0.9, 0.5, 0.1], np.float32)


@pytest.mark.parametrize(
    ("diversity", "expected"),
    [
        (0.0, [0, 1, 2, 3]),
        # After 0: value·½ − cosine·½ is 0.444 − 0.5 for 1, 0.222 for 2, 0.5 for 3 (its cosine is −1). Then 1 has
        # 0.444 − 0.5 again, and 2 0.222.
        (0.5, [0, 3, 2, 1]),
        (1.0, [0, 3, 2, 1]),
    ],
)
def test_hand_derived_choices(diversity: float, expected: list[int]) -> None:
    assert diversify(VECTORS, SCORES, diversity, 4).tolist() == expected
    assert diversify(VECTORS, SCORES, diversity, 2).tolist() == expected[:2]


@given(st.integers(0, 12), st.integers(0, 15), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_choices_are_different_and_begin_with_the_best(
    n: int, count: int, diversity: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, n).astype(np.float32)
    chosen = diversify(rng.normal(size=(n, 3)).astype(np.float32), scores, diversity, count)
    assert len(chosen) == min(n, count) == len(set(chosen.tolist()))
    if len(chosen):
        assert scores[chosen[0]] == scores.max()


@pytest.mark.parametrize(
    ("new", "every", "expected"),
    [
        (
            "kkknnk",
            2,
            [0, 3, 1, 4, 2, 5],
        ),  # each second place, and when there are none left the rest as it was
        ("kknkkk", 10, [0, 1, 2, 3, 4, 5]),  # one came by itself
        ("kkkkkn", 3, [0, 1, 5, 2, 3, 4]),
        ("nnkkkn", 3, [0, 1, 2, 3, 4, 5]),
        ("nnkkkkkn", 3, [0, 1, 2, 3, 4, 7, 5, 6]),  # two at once are not two blocks' worth
        ("kkn", 1, [2, 0, 1]),
        ("nn", 4, [0, 1]),
        ("kk", 4, [0, 1]),
        ("", 4, []),
    ],
)
def test_newcomers_get_a_place_of_so_many(new: str, every: int, expected: list[int]) -> None:
    assert make_room(np.array([one == "n" for one in new], bool), every).tolist() == expected


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 12))
def test_room_is_made_and_nothing_else_moves(new: list[bool], every: int) -> None:
    order = make_room(np.array(new, bool), every)
    assert sorted(order.tolist()) == list(range(len(new)))
    flags = np.array(new, bool)[order]
    for kind in (False, True):  # among themselves both keep their order
        assert (np.diff(order[flags == kind]) > 0).all()
    last = int(np.flatnonzero(flags)[-1]) + 1 if flags.any() else 0
    for at in range(0, last - every + 1, every):
        assert flags[at : at + every].any()
