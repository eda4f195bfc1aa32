"""Trending: by hand, as of any moment, and with live events."""

from __future__ import annotations

import numpy as np
import pytest

from bundle.proposals import Trends
from catalog.records import History
from catalog.schema import DatasetSchema
from serving.recommend.ranker import Viewer
from serving.sources import trending
from serving.sources.source import Demand
from serving.sources.trending import HOUR, Trending, worths

SEEDS = Trends(
    np.array([2, 1, 0], np.int32), np.array([52, 99, 100], np.int32), np.array([9, 2, 2], np.float32)
)
"""Item 0 in hour 100, item 1 an hour before, item 2 two days before with more."""


def asked(
    source: Trending, time: float | None = None, allowed: tuple[int, ...] = (0, 1, 2, 3, 4), k: int = 5
):  # type: ignore[no-untyped-def]
    mask = np.zeros(5, bool)
    mask[list(allowed)] = True
    viewer = Viewer(None, {}, lambda: None, History.empty(), cold=True)  # type: ignore[arg-type]
    found = source.find(Demand(viewer, mask, k, time=time))
    return dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))


def hear(source: Trending, *events: tuple[int, float]) -> None:
    rows, times = np.array([row for row, _ in events]), np.array([at for _, at in events], np.float64)
    source.hear(rows, times, np.ones(len(events)))


def test_an_event_counts_less_by_a_twentieth_with_every_hour() -> None:
    scores = asked(Trending(SEEDS), time=103 * HOUR)
    # Hour 100 ended two hours before 103.
    expected = {0: 2 * 0.95**2, 1: 2 * 0.95**3, 2: 9 * 0.95**50}
    assert list(scores) == [0, 1, 2]
    assert scores == pytest.approx(expected, rel=1e-6)


def test_the_factor_is_a_setting() -> None:
    assert asked(Trending(SEEDS, decay=0.5), time=101 * HOUR)[1] == pytest.approx(1.0)
    assert list(asked(Trending(SEEDS, decay=0.99), time=101 * HOUR)) == [2, 0, 1]


def test_as_of_a_moment_only_what_was_before_counts() -> None:
    source = Trending(SEEDS)
    assert list(asked(source, time=100 * HOUR + 1)) == [1, 2]  # hour 100 is not over
    assert list(asked(source, time=53 * HOUR)) == [2]
    assert asked(source, time=52 * HOUR) == {}
    hear(source, (4, 102.5 * HOUR))
    assert 4 not in asked(source, time=102.5 * HOUR)
    assert asked(source, time=103.5 * HOUR)[4] == pytest.approx(0.95)


def test_one_live_event_outweighs_old_news_whose_order_stays() -> None:
    source = Trending(SEEDS)
    assert list(asked(source)) == [0, 1, 2]
    now = asked(source)
    hear(source, (3, 2e9), (3, 1.7e9))  # the first dated in the future: it counts as of now
    after = asked(source)
    assert list(after) == [3, 0, 1, 2]
    assert after[3] == pytest.approx(1.0, abs=1e-3)
    assert after[0] / after[1] == pytest.approx(now[0] / now[1], rel=1e-4)


def test_a_live_event_that_is_dated_long_ago_counts_as_of_then_only() -> None:
    source = Trending(SEEDS)
    hear(source, (4, 102.5 * HOUR))
    assert list(asked(source)) == [0, 1, 2]
    assert list(asked(source, time=104 * HOUR)) == [0, 1, 4, 2]


def test_it_keeps_to_the_allowed_and_to_the_number() -> None:
    assert list(asked(Trending(SEEDS), time=103 * HOUR, allowed=(1, 2, 4))) == [1, 2]
    assert list(asked(Trending(SEEDS), time=103 * HOUR, k=1)) == [0]
    assert asked(Trending(None)) == {}


def test_events_that_are_summed_up_count_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, summed = Trending(None), Trending(None)
    rng = np.random.default_rng(0)
    events = [
        (int(row), float(at))
        for row, at in zip(rng.integers(0, 5, 400), rng.uniform(5e8, 5e8 + 36_000, 400), strict=True)
    ]
    hear(plain, *events)
    monkeypatch.setattr(trending, "MOST", 120)
    for at in range(0, 400, 50):
        hear(summed, *events[at : at + 50])
    assert len(summed._rows) <= 120
    moment = 5e8 + 40_000
    assert asked(summed, time=moment) == pytest.approx(asked(plain, time=moment), rel=0.01)


def test_what_events_are_worth() -> None:
    schema = DatasetSchema.model_validate({
        "name": "shop",
        "interactions": {
            "view": {"weight": 0.3}, "dismiss": {"polarity": "negative"},
            "rate": {"value": True, "minimum": 1, "maximum": 5, "positive_from": 4},
        },
    })  # fmt: skip
    found = worths(schema, np.array([1, 2, 3, 3, 0]), np.array([np.nan, np.nan, 4, 3.9, np.nan], np.float32))
    assert found.tolist() == [0.3, 0.0, 1.0, 0.0, 0.0]
