"""The content space: hand-made catalogues in which what should be alike is known."""

from pathlib import Path

import numpy as np
import pytest

from bundle.space import ContentSpace
from catalog.errors import BundleError
from catalog.records import Floats


def unit(vectors: np.ndarray) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_centring_by_hand() -> None:
    # Three vectors share a large part and differ in a small one. Less their mean they point 120° apart.
    corners = np.array([[1, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
    vectors = np.hstack([np.full((3, 1), 10.0), corners]).astype(np.float32)
    placed = ContentSpace.fit(vectors, power=0).place(vectors)
    np.testing.assert_allclose(placed @ placed.T, 1.5 * np.eye(3) - 0.5, atol=1e-5)
    assert (unit(vectors) @ unit(vectors).T).min() > 0.98, "which the bare cosine hardly sees"


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_spreading_by_hand(power: float) -> None:
    # Along x the catalogue varies four times as much as along y: the diagonal is turned towards x accordingly.
    vectors = np.array([[4, 0], [-4, 0], [0, 1], [0, -1]], np.float32)
    space = ContentSpace.fit(vectors, power)
    placed = space.place(np.array([[1, 1]], np.float32))[0]
    assert placed[0] / placed[1] == pytest.approx(4**power, rel=1e-4)


def test_groups_come_nearer_than_noise() -> None:
    """What orders the catalogue (groups along a few directions) against noise along many."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 20)
    vectors = 0.7 * rng.normal(size=(10, 40))[groups] + 1.5 * rng.normal(size=(200, 40)) + 3
    vectors = unit(vectors)

    def shared(placed: Floats) -> float:
        likeness = placed @ placed.T
        np.fill_diagonal(likeness, -np.inf)
        nearest = np.argpartition(-likeness, 5, axis=1)[:, :5]
        return float((groups[nearest] == groups[:, None]).mean())

    bare, centred, placed = (
        shared(each) for each in (
            vectors, ContentSpace.fit(vectors, 0).place(vectors), ContentSpace.fit(vectors).place(vectors)
        )
    )  # fmt: skip
    assert placed > centred > bare


def test_what_is_missing_stays_so() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(20, 6)))
    space = ContentSpace.fit(vectors)
    placed = space.place(np.concatenate([vectors, np.zeros((1, 6), np.float32)]))
    assert not placed[-1].any()
    np.testing.assert_allclose(np.linalg.norm(placed[:-1], axis=1), 1, atol=1e-5)
    assert placed.dtype == np.float32


@pytest.mark.parametrize("count", [0, 1])
def test_a_catalogue_of_nothing_changes_nothing(count: int) -> None:
    vectors = unit(np.arange(1, 7, dtype=np.float32).reshape(2, 3))
    space = ContentSpace.fit(vectors[:count])
    np.testing.assert_allclose(space.place(vectors), vectors, atol=1e-6)


def test_equal_vectors_have_no_place_of_their_own() -> None:
    vectors = np.ones((5, 3), np.float32)
    assert np.isfinite(ContentSpace.fit(vectors).place(vectors)).all()


def test_products_without_placing() -> None:
    vectors = unit(np.random.default_rng(2).normal(size=(50, 8)))
    vectors[7] = 0
    space = ContentSpace.fit(vectors[:40])
    placed = space.place(vectors)
    cosines = space.cosines(vectors, space.lengths(vectors), placed[3])
    np.testing.assert_allclose(cosines, placed @ placed[3], atol=1e-5)
    assert space.lengths(vectors)[7] == cosines[7] == 0


def test_it_is_kept_in_two_files(tmp_path: Path) -> None:
    space = ContentSpace.fit(unit(np.random.default_rng(1).normal(size=(30, 4))))
    space.save(tmp_path, "text")
    again = ContentSpace.load(tmp_path, "text", 4)
    np.testing.assert_array_equal(again.spread, space.spread)
    np.testing.assert_array_equal(again.mean, space.mean)
    with pytest.raises(BundleError, match=r"expected float32 \[5\]"):
        ContentSpace.load(tmp_path, "text", 5)
