"""Windows of events: each next item asked once, from the right context."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ConfigError
from tests.training.conftest import tiny
from towers.features import FeatureSpace
from training.config import TrainConfig
from training.split import everything, next_item
from training.windows import UserColumns, Windows, example_weights, history_batch

HISTORY = 4


def windows(data, history=HISTORY, **knobs):
    space = FeatureSpace.fit(data.schema, data.items, data.users, history)
    users = UserColumns.of(space, data, np.ones(len(data.users), bool))
    return Windows(data, everything(data), space, users, TrainConfig(**knobs)), space


def test_a_short_history_by_hand():
    made, _ = windows(tiny([(0, 3), (0, 1), (0, 4)], users=1))
    (batch,) = made.epoch(8, np.random.default_rng(0))
    assert batch["history_rows"].tolist() == [[0, 0, 3, 1]]
    assert batch["history_types"].tolist() == [[0, 0, 1, 1]]
    # from nothing the first item, after the first the second, after the second the third
    assert batch["target_rows"].tolist() == [[3, -1, -1, 1, 4]]
    assert batch["target_weights"].tolist() == [[1, 0, 0, 1, 1]]


def test_one_event_is_asked_of_the_user_alone():
    made, _ = windows(tiny([(0, 5)], users=1))
    (batch,) = made.epoch(8, np.random.default_rng(0))
    assert batch["history_types"].tolist() == [[0, 0, 0, 0]]
    assert batch["target_rows"].tolist() == [[5, -1, -1, -1, -1]]


def test_disliked_and_repeated_items_are_context_but_not_asked_for():
    made, _ = windows(tiny([(0, 1), (0, 2), (0, 1)], types=[1, 3, 1], users=1))
    (batch,) = made.epoch(8, np.random.default_rng(0))
    assert batch["history_rows"].tolist() == [[0, 0, 1, 2]]
    assert batch["target_rows"].tolist() == [[1, -1, -1, -1, -1]]


def test_a_batch_that_asks_for_nothing_is_left_out():
    # Three windows: user 0 takes item 1 again and again, in batches of one the later two hold nothing new.
    made, _ = windows(tiny([(0, 1)] * 12, users=1))
    assert made.examples == 1
    for seed in range(4):
        (batch,) = made.epoch(1, np.random.default_rng(seed))
        assert (batch["target_rows"] >= 0).sum() == 1


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 100), st.sampled_from([HISTORY, 20])
)
def test_every_event_is_asked_for_from_its_own_past(lengths, seed, history):
    events = [(u, n) for u, length in enumerate(lengths) for n in range(length)]
    data = tiny(events, items=40, users=len(lengths))
    made, _ = windows(data, history)
    asked = {}
    batches = list(made.epoch(3, np.random.default_rng(seed)))
    for batch in batches:
        for user, rows, types, targets in zip(
            batch["user_row"],
            batch["history_rows"],
            batch["history_types"],
            batch["target_rows"],
            strict=True,
        ):
            for t, target in enumerate(targets):
                if target < 0:
                    continue
                # every user's items are 0, 1, 2, …, so the context must end just before the target
                context = rows[:t][types[:t] > 0] if t else []
                assert list(context) == list(range(target - len(context), target))
                assert t == 0 or len(context) > 0
                assert t > 0 or target == 0
                asked[user, target] = asked.get((user, target), 0) + 1
    assert sorted(asked) == [(u + 1, n) for u, length in enumerate(lengths) for n in range(length)]
    # an event is asked for twice only where two windows of one user overlap
    assert all(count <= 2 for count in asked.values())
    assert made.examples == len(events)
    assert len(batches) <= made.steps(3) + len(lengths)


def test_long_histories_are_cut_elsewhere_in_each_epoch():
    made, _ = windows(tiny([(0, n) for n in range(23)], items=30, users=1))
    rng = np.random.default_rng(0)
    seen = {
        tuple(sorted(tuple(r) for b in made.epoch(8, rng) for r in b["target_rows"].tolist()))
        for _ in range(12)
    }
    assert len(seen) > 1


def test_short_histories_are_packed_into_narrow_batches():
    lengths = [2] * 37 + [3] * 10 + [7] * 6 + [50]
    events = [(u, n) for u, length in enumerate(lengths) for n in range(length)]
    made, _ = windows(tiny(events, items=60, users=len(lengths)), history=40)
    batches = list(made.epoch(2, np.random.default_rng(0)))
    shapes = [batch["history_rows"].shape for batch in batches]
    # at 2 * 40 events a batch: 47 windows of at most 3 events, 6 of at most 8, and parts of the long history
    assert sum(rows for rows, width in shapes if width == 4) == 47
    assert max(shapes, key=lambda shape: shape[0]) == (20, 4)
    assert (6, 8) in shapes or (7, 8) in shapes
    assert len(shapes) <= 8
    assert made.steps(2) == pytest.approx(len(batches), abs=2)


def test_long_histories_are_not_packed():
    made, _ = windows(tiny([(u, n) for u in range(9) for n in range(30)], items=40, users=9), history=40)
    assert {b["history_rows"].shape[1] for b in made.epoch(2, np.random.default_rng(0))} == {40}


def test_windows_and_serving_make_the_same_inputs(simulated):
    """What the towers are trained on is what `FeatureSpace.history_inputs` makes in serving."""
    space = FeatureSpace.fit(simulated.schema, simulated.items, simulated.users, HISTORY)
    users = UserColumns.of(space, simulated, np.ones(len(simulated.users), bool))
    split = everything(simulated)
    made = Windows(simulated, split, space, users, TrainConfig())
    window = np.arange(40)
    last = split.end[window] - 1
    batch = made.batch(window, last)
    vectors = np.random.default_rng(0).normal(size=(len(simulated.items), 3)).astype(np.float32)
    served = history_batch(
        space, simulated, vectors, list(zip(split.begin[window].tolist(), last.tolist(), strict=True))
    )
    present = batch["history_types"] > 0
    np.testing.assert_array_equal(served["history_types"], batch["history_types"])
    np.testing.assert_allclose(served["history_values"], batch["history_values"])
    np.testing.assert_array_equal(served["history_gaps"], batch["history_gaps"])
    np.testing.assert_allclose(served["history_vectors"][present], vectors[batch["history_rows"][present]])


def test_users_with_training_events_are_numbered_without_gaps():
    data = tiny([(0, 1), (2, 1)])
    space = FeatureSpace.fit(data.schema, data.items, data.users, HISTORY)
    users = UserColumns.of(space, data, np.array([True, False, True]))
    assert users.row.tolist() == [1, 0, 2]
    assert users.ids == 3


def test_steps_and_epochs_agree_about_how_much_there_is(simulated):
    made, _ = windows(simulated)
    batches = sum(1 for _ in made.epoch(16, np.random.default_rng(0)))
    assert batches == pytest.approx(made.steps(16), rel=0.2)


def rated(days, values):
    """One user who rates another item at each of some days; None is a click."""
    types = [1 if value is None else 2 for value in values]
    data = tiny([(0, n) for n in range(len(days))], types, users=1)
    numbers = np.array([np.nan if value is None else value for value in values], np.float32)
    return data.with_log(replace(data.log, times=np.array(days) * 86_400.0, values=numbers))


def weights(data, **knobs):
    space = FeatureSpace.fit(data.schema, data.items, data.users, HISTORY)
    return example_weights(data, next_item(data), space, TrainConfig(**knobs)).tolist()


def test_what_happened_a_half_life_earlier_counts_half():
    # The first three are learned from, so ages are counted from day 4.
    data = rated([0, 2, 4, 7, 9], [None] * 5)
    assert weights(data, half_life=2.0) == pytest.approx([0.25, 0.5, 1, 1, 1])
    assert weights(data) == [1] * 5


def test_ratings_weigh_by_where_they_lie_in_their_range():
    data = rated([0, 2, 4, 7, 9], [1, 2, 3, 5, None])
    assert weights(data, rating_weight=0.5) == pytest.approx([0.5, 0.75, 1, 1.5, 1])
    assert weights(data, rating_weight=0.5, half_life=4.0) == pytest.approx(
        [0.25, 0.75 * 0.5**0.5, 1, 1.5, 1]
    )
    assert weights(data) == [1] * 5


def test_what_weighs_nothing_is_context_and_not_asked_for():
    made, _ = windows(rated([0, 1, 2], [5, 1, 3]), rating_weight=1.0)
    (batch,) = made.epoch(8, np.random.default_rng(0))
    assert batch["history_rows"].tolist() == [[0, 0, 0, 1]]
    assert batch["target_rows"].tolist() == [[0, -1, -1, -1, 2]]
    assert batch["target_weights"].tolist() == [[2, 0, 0, 0, 1]]
    assert made.examples == 2


@pytest.mark.parametrize(
    ("knobs", "said"),
    [({"half_life": -1.0}, "half_life of 0 or more days, got -1"), ({"half_life": float("nan")}, "got nan"),
     ({"rating_weight": 1.5}, "rating_weight between 0 and 1, got 1.5")],
)  # fmt: skip
def test_weights_that_cannot_be_meant_are_refused(knobs, said):
    with pytest.raises(ConfigError, match=said):
        TrainConfig(**knobs)
