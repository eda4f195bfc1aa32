"""Cross features against values worked out by hand."""

import dataclasses

import numpy as np
import pytest

from catalog.errors import BundleError
from catalog.records import Candidates, History
from tests.towers.test_features import ITEMS, SCHEMA, USERS, history
from towers.cross import CROSS, DECAY, HEARD, NEIGHBOUR_FEATURES, ItemColumns, cross_features, heard
from towers.features import FeatureSpace


@pytest.fixture(scope="module")
def space():
    return FeatureSpace.fit(SCHEMA, ITEMS, USERS, history=4, cross_features=CROSS)


@pytest.fixture
def columns(space):
    tokens, numeric = space.item_inputs(ITEMS)
    return ItemColumns(
        tokens, numeric, np.array([1, 2, 3], np.int32), np.array([0.0, 1.0, 3.0], np.float32),
        np.array([[1, 2], [0, -1], [-1, -1]], np.int32), np.array([[0.5, 0.25], [1.0, 9.0], [9.0, 9.0]], np.float32),
        np.array([[2], [-1], [-1]], np.int32), np.array([[0.75], [9.0], [9.0]], np.float32),
        np.zeros((3, 0), np.int32), np.zeros((3, 0), np.float32),
    )  # fmt: skip


def test_recent_items_say_what_their_neighbours_are_the_latest_loudest(columns):
    # first item 0, then item 1: item 0 says .5 of item 1 and .25 of item 2, item 1 says 1 of item 0, padding nothing
    said = dict(zip(HEARD, heard(history([0, 1]), columns), strict=True))
    for name, decay in (("covisitation_last", 1), ("covisitation", 5), ("covisitation_long", np.inf)):
        before = np.exp(-1 / decay)
        np.testing.assert_allclose(said[name], [1.0, 0.5 * before, 0.25 * before], rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(said["succession"], [0, 0, 0.75 * np.exp(-1 / 5)], rtol=1e-6)
    assert not said["content"].any()  # the table is empty


def test_no_feature_looks_back_further_than_it_says(columns):
    reach = {name: one.events for name, one in NEIGHBOUR_FEATURES.items() if one.table == "neighbour"}
    long_ago = history(
        [0] + [2] * max(reach.values())
    )  # item 2 says nothing, and by then item 0 is forgotten
    assert not heard(long_ago, columns).any()
    for name, events in reach.items():
        said = dict(zip(HEARD, heard(history([0] + [2] * (events - 1)), columns), strict=True))
        assert said[name].any(), name


def test_cross_features_by_hand(space, columns):
    found = Candidates(np.array([1, 2]), np.array([3.0, -1.0], np.float32))
    cross = cross_features(space, found, history([0, 0], values=[5, 1]), columns)
    now, before = 1.0, np.exp(-1 / DECAY)

    def twice(decay, said):
        return [one * (1 + np.exp(-1 / decay)) for one in said]

    expected = {
        "similarity": [3.0, -1.0],
        "covisitation_last": twice(1, [0.5, 0.25]),
        "covisitation": twice(5, [0.5, 0.25]),
        "covisitation_long": twice(np.inf, [0.5, 0.25]),
        "succession_last": twice(1, [0, 0.75]),
        "succession": twice(5, [0, 0.75]),
        "content": [0, 0],
        # both events are on item 0, whose tokens are drama and "before 1995"; item 1 has comedy, drama, "after":
        # one token in common, over three columns; item 2 has none of them
        "affinity": [1 / 3, 0.0],
        # the latest was valued -1, the one before +1, weighted by recency
        "liked_affinity": [(before - now) / (before + now) / 3, 0.0],
        "popularity": [np.log(2), np.log(4)],
        "activity": [np.log(3), np.log(3)],
    }
    assert set(expected) == set(CROSS)
    for column, name in enumerate(CROSS):
        np.testing.assert_allclose(cross[:, column], expected[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_a_space_gets_the_features_that_it_names(space, columns):
    some = dataclasses.replace(space, cross_features=("popularity", "similarity"))
    found = Candidates(np.array([2, 0]), np.array([0.5, 0.25], np.float32))
    cross = cross_features(some, found, history([1]), columns)
    np.testing.assert_allclose(cross, [[np.log(4), 0.5], [0.0, 0.25]], rtol=1e-6)
    with pytest.raises(BundleError, match=r"'horoscope'.*later version"):
        cross_features(
            dataclasses.replace(space, cross_features=("horoscope",)), found, history([1]), columns
        )


def test_cross_features_of_nobody_and_of_nothing(space, columns):
    found = Candidates(np.array([1]), np.array([0.5], np.float32))
    cross = dict(zip(CROSS, cross_features(space, found, History.empty(), columns)[0], strict=True))
    assert cross.pop("similarity") == 0.5
    assert cross.pop("popularity") == pytest.approx(np.log(2))
    assert not any(cross.values())
    nothing = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert cross_features(space, nothing, history([0]), columns).shape == (0, len(CROSS))
