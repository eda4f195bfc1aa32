"""Metrics by hand, and against an independent library."""

import numpy as np
import pytest

from training.metrics import MISSED, hit_rate, ndcg, rank_of, reciprocal_rank, rmse, summary


def test_by_hand():
    ranks = np.array([0, 1, 9, 10, MISSED])
    assert ndcg(ranks, 10) == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(11)) / 5)
    assert hit_rate(ranks, 10) == pytest.approx(3 / 5)
    assert hit_rate(ranks, 11) == pytest.approx(4 / 5)
    assert reciprocal_rank(ranks) == pytest.approx((1 + 1 / 2 + 1 / 10 + 1 / 11) / 5)
    assert rank_of(np.array([7, 3, 5]), 5) == 2
    assert rank_of(np.array([7, 3, 5]), 4) == MISSED
    assert rmse(np.array([1, 2]), np.array([2, 4])) == pytest.approx(np.sqrt(2.5))


def test_nobody_to_ask_is_zero_and_no_warning():
    assert set(summary([]).values()) == {0.0}


def test_agrees_with_an_independent_library():
    sklearn = pytest.importorskip("sklearn.metrics", reason="needs the extra `train`")
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 300))
    wanted = rng.integers(0, 300, 60)
    relevant = np.eye(300)[wanted]
    ranks = np.array([rank_of(np.argsort(-row), w) for row, w in zip(scores, wanted, strict=True)])
    found = summary(ranks)
    assert found["ndcg@10"] == pytest.approx(sklearn.ndcg_score(relevant, scores, k=10))
    assert found["mrr"] == pytest.approx(sklearn.label_ranking_average_precision_score(relevant, scores))
    for name, k in (("hit_rate@5", 5), ("hit_rate@10", 10), ("recall@100", 100)):
        expected = sklearn.top_k_accuracy_score(wanted, scores, k=k, labels=np.arange(300))
        assert found[name] == pytest.approx(expected), name
