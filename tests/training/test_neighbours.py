"""Item-item weights against the definition, and on data whose answer is known by construction."""

import numpy as np
import pytest
from scipy import sparse

from training.neighbours import cosine, ease, item_item, strongest


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
        np.testing.assert_allclose(weights[others, i], solution, atol=1e-9)
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
