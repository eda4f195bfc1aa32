"""Who is asked what, and what may be learned from."""

import numpy as np

from tests.training.conftest import tiny
from training.split import everything, next_item

#          user 0 ................  user 1 ....  user 2 .......................
EVENTS = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (2, 5), (2, 5), (2, 1), (2, 0), (2, 3)]


def test_last_is_test_and_the_one_before_is_validation():
    split = next_item(tiny(EVENTS))
    assert split.test.tolist() == [3, -1, 10]
    assert split.validation.tolist() == [2, -1, 9]
    assert split.begin.tolist() == [0, 4, 6]
    assert split.end.tolist() == [2, 6, 9]
    learned = split.training(tiny(EVENTS).log)
    assert np.flatnonzero(learned).tolist() == [0, 1, 4, 5, 6, 7, 8]


def test_what_was_seen_before_or_disliked_is_not_asked_for():
    # user 0's last event repeats item 1, the one before dismisses item 4
    data = tiny([(0, 1), (0, 2), (0, 3), (0, 4), (0, 1)], types=[1, 1, 2, 3, 1], users=1)
    assert data.targets().tolist() == [True, True, True, False, False]
    split = next_item(data)
    assert (split.validation[0], split.test[0], split.end[0]) == (1, 2, 1)


def test_a_split_holds_back_the_end_of_training_but_never_more_than_half():
    data = tiny([(0, i) for i in range(6)] + [(1, i) for i in range(4)], users=2)
    split = next_item(data)
    early = split.held_back(data, 20)
    assert split.end.tolist() == [4, 8]
    assert early.end.tolist() == [2, 7]
    assert split.held_back(data, 1).end.tolist() == [3, 7]
    assert early.test.tolist() == split.test.tolist()


def test_everything_is_learned_from_where_a_protocol_holds_out_for_itself():
    split = everything(tiny(EVENTS))
    assert split.training(tiny(EVENTS).log).all()
    assert split.validation.tolist() == [3, -1, 10]
    assert split.test.tolist() == [-1, -1, -1]


def test_no_training_event_comes_after_a_test_event(simulated):
    split = next_item(simulated)
    learned = split.training(simulated.log)
    asked = split.test >= 0
    assert asked.sum() > 200
    assert not learned[split.test[asked]].any()
    assert not learned[split.validation[asked]].any()
    last = np.full(len(simulated.users), -1)
    np.maximum.at(last, simulated.log.user_rows[learned], np.flatnonzero(learned))
    assert (last[asked] < split.validation[asked]).all()
    assert (split.validation[asked] < split.test[asked]).all()
