"""Diversity on four vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.rerank import diversify

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
