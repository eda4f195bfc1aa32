"""Confidence intervals against theory, and slices by hand."""

import numpy as np
import pytest

from tests.training.conftest import tiny
from training.bootstrap import interval, resampled_means
from training.questions import Questions
from training.slices import popularity_groups, slices
from training.spread import over_seeds


def test_the_spread_of_resampled_means_is_the_standard_error():
    values = np.random.default_rng(0).exponential(size=(400, 1))
    means = resampled_means(values)
    assert means.shape == (1000, 1)
    assert means.mean() == pytest.approx(values.mean(), abs=0.01)
    assert means.std() == pytest.approx(values.std() / np.sqrt(400), rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    samples = (rng.random((200, 300, 1)) < 0.3).astype(float)
    inside = [low <= 0.3 <= high for low, high in (interval(resampled_means(one, 300)) for one in samples)]
    assert 0.90 <= np.mean(inside) <= 0.99


def test_methods_are_resampled_together():
    """A method that is better by the same for everybody is so in every resample."""
    worse = np.random.default_rng(2).random(100)
    means = resampled_means(np.stack([worse, worse + 0.125], axis=1))
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 0.125)
    np.testing.assert_array_equal(means, resampled_means(np.stack([worse, worse + 0.125], axis=1)))


def test_an_interval_is_the_middle_of_the_resamples():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert interval(np.arange(1001.0), 0.5) == pytest.approx((250, 750))


def test_items_by_the_share_of_events_that_they_hold():
    # Of 100 events, most popular first: 40 and 30 begin below half, 12 below 80, 10 and 5 above; 3 are too few.
    assert popularity_groups(np.array([3, 40, 12, 10, 30, 5], np.float32)).tolist() == [0, 3, 2, 1, 3, 1]


def test_slices_of_a_kind_hold_every_right_item_once():
    events = [(0, i) for i in range(12)] + [(1, 0), (1, 1), (2, 0)]
    data = tiny(events, items=12)
    pairs = np.array([0, 1, 2]), np.array([11, 1, 0])
    asked = Questions.of(data, np.arange(3), np.array([0, 12, 14]), np.array([11, 13, 14]), pairs)
    found = list(slices(asked, np.array([9.0, 5.0, *[0.0] * 10], np.float32)))
    assert [(kind, name) for kind, name, _ in found] == [
        ("history", "0"), ("history", "1 to 9"), ("history", "10 to 49"), ("item", "cold"), ("item", "middle"),
        ("item", "head"),
    ]  # fmt: skip
    for kind in ("history", "item"):
        assert sum(pairs.astype(int) for which, _, pairs in found if which == kind).tolist() == [1, 1, 1]


def test_seeds_are_told_as_mean_and_spread():
    def report(version, value):
        figures = {
            "next_item": {"pipeline": {"ndcg@10": value}},
            "rating": {"folds": {"u1": 1.0}, "mean": 1.0},
        }
        return {"dataset": "d", "model_version": version, "protocols": figures, "details": {"next_item": {}}}

    together = over_seeds([report("a", 0.1), report("b", 0.2), report("c", 0.6)], [4, 5, 6])
    assert together["model_version"] == "a, b, c"
    assert together["protocols"]["next_item"]["pipeline"]["ndcg@10"] == pytest.approx(0.3)
    told = together["seeds"]["spread"]["next_item"]["pipeline"]["ndcg@10"]
    assert told == pytest.approx({"mean": 0.3, "std": np.sqrt(0.07), "min": 0.1, "max": 0.6})
    assert together["seeds"]["spread"]["rating"]["folds"]["u1"]["std"] == 0
    assert list(together["details"]["by_seed"]) == ["4", "5", "6"]
