"""What methods are told of a history, and how their scores become ranks."""

from dataclasses import replace

import numpy as np
import pytest

import training.answers
from tests.training.conftest import tiny
from training.answers import answer_scores, answer_states
from training.metrics import MISSED
from training.questions import STRANGER, Questions, taken_events

#          user 0 ................................  user 1 ....  user 2
EVENTS = [(0, 1), (0, 2), (0, 1), (0, 4), (0, 3), (1, 0), (1, 1), (2, 5)]
TYPES = [1, 1, 1, 3, 1, 1, 1, 1]
"""User 0 dismisses item 4."""


@pytest.fixture
def data():
    return tiny(EVENTS, TYPES)


def asked_of(data, users, begin, end, pairs, among=None):
    columns = (np.array(column, np.int64) for column in (users, begin, end))
    return Questions.of(data, *columns, tuple(np.array(column, np.int64) for column in pairs), among)


@pytest.fixture
def asked(data):
    """User 0 before their last event, user 1 before theirs, user 2 before anything."""
    return asked_of(data, [0, 1, 2], [0, 5, 7], [4, 6, 7], ([0, 1, 2], [3, 1, 5]))


def test_events_of_histories_with_their_age(asked):
    question, at, age = asked.events()
    assert question.tolist() == [0, 0, 0, 0, 1]
    assert at.tolist() == [0, 1, 2, 3, 5]
    assert age.tolist() == [3, 2, 1, 0, 0]


def test_a_history_is_what_was_taken_and_fades_from_the_last_event_with_an_item(asked):
    plain = asked.histories().toarray()
    assert plain.tolist() == [[0, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6]
    fading = asked.histories(decay=2.0).toarray()
    assert fading[0] == pytest.approx([0, np.exp(-1 / 2), np.exp(-2 / 2), 0, 0, 0])
    assert fading[1].tolist() == plain[1].tolist()


def test_what_was_seen_is_hidden_even_where_it_was_disliked(asked):
    hidden = ~np.isfinite(asked.hide(np.zeros((3, 6), np.float32)))
    assert [np.flatnonzero(row).tolist() for row in hidden] == [[1, 2, 4], [0], []]
    assert asked.candidates().tolist() == [3, 5, 6]
    for question in range(3):
        assert np.flatnonzero(hidden[question]).tolist() == asked.state(question).seen.tolist()


def test_a_state_is_what_serving_would_know(asked, data):
    state = asked.state(0)
    assert state.user == data.users[0]
    assert state.history.rows.tolist() == [1, 2, 1, 4]
    assert state.seen.tolist() == [1, 2, 4]
    nobody = replace(asked, users=np.full(3, STRANGER)).state(0)
    assert nobody.user is None
    assert nobody.history.rows.tolist() == [1, 2, 1, 4]


def test_items_that_nobody_may_be_shown_are_not_asked_for(data):
    items = tuple(replace(item, available=row != 3) for row, item in enumerate(data.items))
    asked = asked_of(replace(data, items=items), [0, 1], [0, 5], [4, 6], ([0, 1], [3, 1]))
    assert asked.users.tolist() == [1]
    assert asked.right.tolist() == [1]
    assert not asked.restricted
    assert not np.isfinite(asked.hide(np.zeros((1, 6), np.float32))[0, 3])


def test_among_some_items_only(data):
    among = np.isin(np.arange(6), [3, 5])
    asked = asked_of(data, [0, 1, 2], [0, 5, 7], [4, 6, 7], ([2, 0, 1], [5, 3, 1]), among)
    assert asked.restricted
    assert asked.users.tolist() == [0, 2]
    assert asked.right.tolist() == [3, 5]
    assert asked.candidates().tolist() == [2, 2]


def test_types_that_say_dislike_are_not_taken(data):
    assert np.flatnonzero(~taken_events(data)).tolist() == [3]


@pytest.mark.parametrize("cells", [1, 13, 1 << 20])
def test_scores_and_states_give_the_same_answers_however_they_are_cut(simulated, monkeypatch, cells):
    """The oracle asks one user after the other and sorts in plain Python."""
    monkeypatch.setattr(training.answers, "CELLS", cells)
    bounds = simulated.log.user_bounds(len(simulated.users))
    users = np.flatnonzero(np.diff(bounds) > 8)[:12]
    ends = bounds[users + 1] - 4
    owner = np.repeat(np.arange(len(users)), 4)
    rows = simulated.log.item_rows[(ends[:, None] + np.arange(4)).ravel()]
    seen = [set(simulated.log.item_rows[b:e].tolist()) for b, e in zip(bounds[users], ends, strict=True)]
    pairs = np.array([(o, r) for o, r in zip(owner, rows, strict=True) if r not in seen[o]]).T
    asked = Questions.of(simulated, users, bounds[users], ends, (pairs[0], pairs[1]))
    table = np.random.default_rng(3).permutation(len(simulated.items)).astype(np.float32)

    def one(state):
        return np.array(
            sorted(set(range(len(table))) - set(state.seen.tolist()), key=lambda row: -table[row])
        )

    many = answer_scores(asked, lambda some: np.tile(table, (len(some), 1)), np.zeros(len(table), np.float32))
    few = answer_states(asked, one)
    np.testing.assert_array_equal(many.judged.ranks, few.judged.ranks)
    np.testing.assert_array_equal(many.judged.listed, few.judged.listed)
    np.testing.assert_array_equal(many.judged.candidates, few.judged.candidates)
    np.testing.assert_array_equal(many.top, few.top)


def test_equal_scores_are_ordered_by_popularity_and_then_say_nothing_about_the_order_of_rows():
    """A baseline without an opinion must do no better on the first rows of a catalogue than on the last."""
    items = 400
    data = tiny([(0, 0), (1, 1)], items=items, users=2)
    owner = np.repeat([0, 1], items - 2)
    pairs = owner, np.tile(np.arange(2, items), 2)
    asked = Questions.of(data, np.array([0, 1]), np.array([0, 1]), np.array([1, 2]), pairs)
    popularity = np.zeros(items, np.float32)
    popularity[200], popularity[300] = 1, 2
    answers = answer_scores(asked, lambda some: np.zeros((len(some), items), np.float32), popularity)
    assert answers.top[:, :2].tolist() == [[300, 200]] * 2
    one, other = answers.judged.ranks.reshape(2, -1)
    assert len(set(one.tolist())) == items - 2
    for pair in ((one, np.arange(items - 2)), (one, other)):
        assert abs(np.corrcoef(*pair)[0, 1]) < 0.15


def test_short_answers_are_padded_and_miss(asked):
    answers = answer_states(asked, lambda state: np.array([3]))
    assert answers.judged.ranks.tolist() == [0, MISSED, MISSED]
    assert answers.judged.listed.tolist() == [1, 1, 1]
    assert answers.top[:, 0].tolist() == [3, 3, 3]
    assert (answers.top[:, 1:] == -1).all()


def test_more_places_than_candidates_are_padded(asked):
    answers = answer_scores(asked, lambda some: np.ones((len(some), 6), np.float32), np.ones(6, np.float32))
    assert (answers.top >= 0).sum(1).tolist() == [3, 5, 6]
    assert set(answers.top[0][:3].tolist()) == {0, 3, 5}
