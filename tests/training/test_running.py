"""Running statistics, and the features that are made of them, look at nothing that comes later."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from bundle.tabular import Texts
from catalog.records import Candidates, InteractionLog, Item, ItemId, User, UserId
from catalog.schema import DatasetSchema
from towers.cross import ItemColumns
from towers.features import FeatureSpace
from towers.tabular import feed_names, tabular_features
from training.running import Running, Statistics

EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0.0, 1.5, 1.5e9, 1.6e9]), st.booleans()), max_size=30
)


def running(events):
    keys, times, liked = zip(*events, strict=True) if events else ((), (), ())
    return Running(np.array(keys, np.int64), np.array(times, float), np.array(liked, bool), 5)


@given(EVENTS, st.sampled_from([-1.0, 0.0, 1.5, 1.55e9, 2e9]))
def test_counts_are_those_of_a_plain_loop(events, time):
    found = running(events).before(np.arange(5), time)
    for key in range(5):
        before = [liked for of, when, liked in events if of == key and when < time]
        assert (found.events[key], found.liked[key]) == (len(before), sum(before))


@given(EVENTS, EVENTS, st.sampled_from([0.0, 1.5, 1.6e9]))
def test_later_events_change_nothing(events, others, time):
    later = [(key, time + when, liked) for key, when, liked in others]
    known, more = (
        running(events).before(np.arange(5), time),
        running([*events, *later]).before(np.arange(5), time),
    )
    np.testing.assert_array_equal(known.events, more.events)
    np.testing.assert_array_equal(known.liked, more.liked)


def test_in_the_end_all_count():
    found = running([(1, 2.0, True), (1, 3.0, False), (4, 1.0, False)]).in_the_end()
    assert found.events.tolist() == [0, 2, 0, 0, 1]
    assert found.liked.tolist() == [0, 1, 0, 0, 0]


FEED = DatasetSchema.model_validate({
    "name": "feed", "items": {"topic": {"kind": "categorical"}}, "users": {"city": {"kind": "categorical"}},
    "interactions": {"view": {"weight": 0.3}, "like": {}},
})  # fmt: skip
POSTS = [Item(ItemId(str(n)), features={"topic": "ab"[n % 2]}) for n in range(4)]
PEOPLE = [User(UserId(str(n)), {"city": "xy"[n % 2]}) for n in range(3)]
SPACE = FeatureSpace.fit(FEED, POSTS, PEOPLE)
NOW = 1_000.0
LOGGED = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 2), st.integers(0, 2_000))
"""User, post, type and time."""


@given(st.lists(LOGGED, min_size=1, max_size=30), st.lists(LOGGED, max_size=30), st.integers(0, 2))
def test_no_feature_of_a_row_changes_with_what_happens_later(events, others, user):
    """Every feature but the two that come of fitted models, whose training ends before the row."""
    before = [event for event in events if event[3] < NOW]
    later = [event for event in others if event[3] >= NOW]
    np.testing.assert_array_equal(features(events, user), features([*before, *later], user))


def features(events, user):
    """Of all posts for a user now, from the statistics of all events."""
    events = sorted(events, key=lambda event: (event[0], event[3]))
    users, posts, types, times = (np.array(column, np.int64) for column in zip(*events, strict=True)) if events else (
        np.zeros((4, 0), np.int64)
    )  # fmt: skip
    nothing = np.full(len(users), np.nan, np.float32)
    log = InteractionLog(users, posts, types, nothing, times.astype(float), np.zeros(len(users), np.int64))
    people = np.concatenate([SPACE.user_inputs(person, 0)["user_tokens"] for person in PEOPLE])
    tokens, numeric = SPACE.item_inputs(POSTS)
    none, zeros = np.zeros((len(POSTS), 0), np.int32), np.zeros((len(POSTS), 0), np.float32)
    items = ItemColumns(
        tokens, numeric, np.zeros(len(POSTS), np.int32), zeros.sum(1), none, zeros, none, zeros, none, zeros
    )
    own = log.take((log.user_rows == user) & (log.times < NOW))
    rows = np.arange(len(POSTS))
    statistics = Statistics(log, SPACE, tokens, people)
    moment = statistics.moment(own.history(0, len(own)), NOW, rows, people[user])
    texts = Texts(zeros.sum(1), zeros)
    found = Candidates(rows, np.zeros(len(rows), np.float32))
    return tabular_features(feed_names(0, SPACE.user_slots), SPACE, found, moment, items, texts)
