"""The one feature file: tokens, numbers, histories and crosses against values worked out by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import BundleError
from catalog.records import History, Item, User
from catalog.schema import DatasetSchema, Feature, InteractionType
from towers.features import FeatureSpace, time_gaps

SCHEMA = DatasetSchema(
    name="shop",
    items={"genres": Feature(kind="multi"), "year": Feature(kind="numeric", buckets=2)},
    users={"country": Feature(kind="categorical")},
    interactions={
        "rating": InteractionType(value=True, minimum=1, maximum=5, positive_from=4),
        "view": InteractionType(weight=0.3),
    },
)
ITEMS = [
    Item("a", features={"genres": ("drama",), "year": 1990.0}),
    Item("b", features={"genres": ("comedy", "drama"), "year": 2000.0}),
    Item("c", features={}),
]
USERS = [User("u", {"country": "NO"}), User("v", {"country": "DE"}), User("w", {"country": "NO"})]


@pytest.fixture(scope="module")
def space():
    return FeatureSpace.fit(SCHEMA, ITEMS, USERS, history=4)


def history(rows, types=None, values=None, times=None):
    n = len(rows)
    return History(
        np.array(rows, np.int64),
        np.array(types if types is not None else [1] * n, np.int64),
        np.array(values if values is not None else [np.nan] * n, np.float32),
        np.array(times if times is not None else range(n), np.float64),
    )


def test_tokens_are_numbered_feature_by_feature(space):
    # genres: 1 = unknown, 2 = drama (twice), 3 = comedy; year: 4 = unknown, 5 = below the median 1995, 6 = above.
    tokens, numeric = space.item_inputs(ITEMS)
    assert tokens.tolist() == [[2, 0, 5], [3, 2, 6], [1, 0, 4]]
    assert space.item_tokens == 7
    # mean 1995, standard deviation 5
    assert numeric.tolist() == [[-1.0], [1.0], [0.0]]


def test_what_training_never_saw_has_the_tokens_of_the_unknown(space):
    strange = Item("x", features={"genres": ("western",), "year": float("nan")})
    tokens, numeric = space.item_inputs([strange])
    assert tokens.tolist() == [[1, 0, 4]]
    assert numeric.tolist() == [[0.0]]
    assert space.item_inputs([Item("y", features={"year": "soon"})])[0].tolist() == [[1, 0, 4]]


def test_users_known_unknown_and_strange(space):
    # country: 1 = unknown, 2 = NO (twice), 3 = DE
    known = space.user_inputs(USERS[1], 7)
    assert known["user_row"].tolist() == [7]
    assert known["user_tokens"].tolist() == [[3]]
    assert space.user_inputs(None, 0)["user_tokens"].tolist() == [[1]]
    assert space.user_inputs(User("z", {"country": "FR"}), 0)["user_tokens"].tolist() == [[1]]


def test_fitting_does_not_depend_on_the_order_of_records(space):
    assert FeatureSpace.fit(SCHEMA, ITEMS[::-1], USERS[::-1], history=4) == space


def test_saving_and_loading_changes_nothing(space, tmp_path):
    named = dataclasses.replace(space, version="20260101-000000-abcdef")
    named.save(tmp_path / "features.json")
    assert FeatureSpace.load(tmp_path / "features.json") == named


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"items": 3}', '{"items": [], "users": [], "extra": 1}']
)
def test_a_damaged_file_is_a_bundle_error_that_names_it(content, tmp_path):
    (tmp_path / "features.json").write_text(content)
    with pytest.raises(BundleError, match=r"features\.json"):
        FeatureSpace.load(tmp_path / "features.json")


def test_a_history_is_padded_on_the_left(space):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    inputs = space.history_inputs(history([2, 0], [1, 2], [5.0, np.nan], [100.0, 130.0]), vectors)
    assert inputs["history_vectors"][0].tolist() == [[0, 0], [0, 0], [4, 5], [0, 1]]
    assert inputs["history_types"].tolist() == [[0, 0, 1, 2]]
    # 5 on the scale 1 … 5 is the top; a view has no value
    assert inputs["history_values"].tolist() == [[0, 0, 1, 0]]
    # the first event has the longest gap; 30 seconds lie between the second and the third edge, 15 and 60
    assert inputs["history_gaps"].tolist() == [[0, 0, 11, 2]]


def test_only_the_latest_events_are_read_and_their_first_gap_is_the_real_one(space):
    inputs = space.history_inputs(history([0, 1, 2, 0, 1, 2]), np.eye(3, dtype=np.float32))
    assert inputs["history_vectors"][0].argmax(1).tolist() == [2, 0, 1, 2]
    assert inputs["history_gaps"].tolist() == [[1, 1, 1, 1]]  # one second: at the first edge


def test_an_empty_history_is_all_padding(space):
    inputs = space.history_inputs(History.empty(), np.eye(3, dtype=np.float32))
    assert not any(array.any() for array in inputs.values())
    rated = space.rated_inputs(History.empty(), np.arange(3, dtype=np.int32))
    assert not rated["rated_rows"].any()


def test_only_events_with_a_value_are_rated(space):
    rated = space.rated_inputs(history([2, 1, 0], values=[4, np.nan, 1]), np.array([5, 6, 7], np.int32))
    assert rated["rated_rows"].shape == (1, space.rated)
    assert rated["rated_rows"][0, -2:].tolist() == [7, 5]
    assert rated["rated_values"][0, -2:].tolist() == [4, 1]
    assert not rated["rated_rows"][0, :-2].any()


@given(st.lists(st.floats(0, 1e10), max_size=30))
def test_gaps_are_buckets_and_never_negative(times):
    gaps = time_gaps(np.array(times, np.float64))
    assert len(gaps) == len(times)
    assert all(0 <= gap <= 11 for gap in gaps)
    if times:
        assert gaps[0] == 11


def test_a_data_set_without_side_features_still_has_inputs():
    bare = DatasetSchema(name="bare", interactions={"click": InteractionType()})
    space = FeatureSpace.fit(bare, [Item("a")], [User("u")])
    tokens, numeric = space.item_inputs([Item("a")])
    assert tokens.tolist() == [[0]]
    assert numeric.tolist() == [[0.0]]
    assert space.user_inputs(None, 0)["user_tokens"].tolist() == [[0]]
