"""Item-item weights against the definition, and on data whose answer is known by construction."""

import numpy as np
import pytest
from scipy import sparse

from catalog.records import InteractionLog
from training.dataset import Content
from training.neighbours import PRIOR, alike, cosine, ease, item_item, strongest, successors


def checkerboard(users=40, items=20):
    """Even users have seen even items, odd users odd ones, each all but one."""
    pairs = [
        (u, i)
        for u in range(users)
        for i in range(items)
        if u % 2 == i % 2 and (u // 2) % (items // 2) != i // 2
    ]
    rows, columns = np.array(pairs).T
    return rows, columns, (users, items)


def test_ease_solves_its_ridge_regression():
    """Column i of the weights is the ridge regression of item i on all other items (Steck 2019, eq. 8)."""
    rng = np.random.default_rng(0)
    seen = (rng.random((30, 7)) < 0.4).astype(np.float64)
    weights = ease(sparse.csr_matrix(seen), reg=3.0)
    for i in range(7):
        others = np.delete(np.arange(7), i)
        x = seen[:, others]
        solution = np.linalg.solve(x.T @ x + 3.0 * np.eye(6), x.T @ seen[:, i])
        np.testing.assert_allclose(weights[others, i], solution, atol=1e-5)
        assert weights[i, i] == 0


def test_cosine_is_that_of_the_columns():
    rng = np.random.default_rng(1)
    seen = (rng.random((50, 11)) < 0.3).astype(np.float32)
    unit = seen / np.maximum(np.linalg.norm(seen, axis=0), 1.0)
    expected = unit.T @ unit
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(cosine(sparse.csr_matrix(seen), chunk=4).toarray(), expected, atol=1e-6)


@pytest.mark.parametrize("dense", [True, False])
def test_on_a_checkerboard_neighbours_have_the_item_s_own_colour(dense, monkeypatch):
    monkeypatch.setattr("training.neighbours.DENSE", 10_000 if dense else 1)
    rows, columns, shape = checkerboard()
    near, weights = item_item(rows, columns, shape, keep=5, reg=10.0)
    assert near.shape == weights.shape == (20, 5)
    assert ((near % 2) == (np.arange(20) % 2)[:, None]).all()
    assert (np.diff(np.abs(weights), axis=1) <= 1e-6).all()


def test_short_rows_are_padded():
    weights = np.array([[0, 0.5, -2.0], [0, 0, 0], [1.0, 0, 0]])
    for given in (weights, sparse.csr_matrix(weights)):
        rows, values = strongest(given, 2)
        assert rows.tolist() == [[2, 1], [-1, -1], [0, -1]]
        np.testing.assert_allclose(values, [[-2.0, 0.5], [0, 0], [1.0, 0]])


def test_events_count_once_however_often_they_happened():
    rows, columns, shape = checkerboard()
    once = item_item(rows, columns, shape, 5, 10.0)
    twice = item_item(np.tile(rows, 2), np.tile(columns, 2), shape, 5, 10.0)
    np.testing.assert_allclose(once[1], twice[1], rtol=1e-6)


def test_successors_are_what_came_soon_after_the_nearer_the_more():
    # user 0 takes 0, 1, 2; user 1 takes 0, 2, and then 1, which is not learned from
    items = np.array([0, 1, 2, 0, 2, 1])
    users = np.array([0, 0, 0, 1, 1, 1])
    nothing = np.zeros(6)
    log = InteractionLog(
        users, items, np.ones(6, np.int64), nothing.astype(np.float32), nothing, np.zeros(6, np.int64)
    )
    rows, weights = successors(log, np.array([True] * 5 + [False]), items=3, keep=2)
    # after 0: 1 at one step, 2 at two steps and at one; after 1: 2 at one step; after 2: nothing, not user 1's events
    assert rows.tolist() == [[2, 1], [2, -1], [-1, -1]]
    after_0 = 1 + 1.5 + PRIOR
    np.testing.assert_allclose(weights, [[1.5 / after_0, 1 / after_0], [1 / (1 + PRIOR), 0], [0, 0]])


def test_likeness_is_of_what_sets_items_apart():
    """All texts share one direction; without it, 0 and 1 are one kind and 2 and 3 the other. Item 4 says nothing."""
    text = np.array([[9, 1, 0], [9, 1, 0.2], [9, -1, 0], [9, -1, 0.2], [0, 0, 0]], np.float32)
    text /= np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-9)
    mask = np.zeros((5, 2), np.float32)
    mask[:4, 0] = 1
    rows, weights = alike(Content(text, np.zeros((5, 1), np.float32), mask), keep=2)
    assert rows[:, 0].tolist() == [1, 0, 3, 2, -1]
    assert (rows[:4, 1] == -1).all()  # the other kind is unlike
    assert (weights[:4, 0] > 0.9).all()
    assert weights[4].tolist() == [0, 0]


def test_likeness_adds_up_text_and_picture():
    text, image = np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)
    image[2] = image[0]
    mask = np.ones((4, 2), np.float32)
    rows, weights = alike(Content(text, image, mask), keep=3)
    assert rows[0, 0] == 2
    assert rows[2, 0] == 0
    # texts are at -1/3 to each other, pictures at 1: the mean of the two cosines
    assert weights[0, 0] == pytest.approx((1 - 1 / 3) / 2, abs=1e-5)
