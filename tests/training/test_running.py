"""Running statistics look at nothing that comes later."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.running import Running

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
