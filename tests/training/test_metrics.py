"""Metrics by hand, against scikit-learn, and (slowly) against ranx."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from training.metrics import (
    MISSED,
    PER_USER,
    Judged,
    auc_of,
    coverage,
    gini,
    hits_of,
    ndcg,
    ndcg_of,
    novelty,
    per_user,
    precision_of,
    rank_of,
    recall_of,
    reciprocal_rank_of,
    rmse,
    summary,
)


def judged(*users, candidates=100, listed=None):
    """One list of ranks per user."""
    ranks = np.array([rank for user in users for rank in user], np.int64)
    owner = np.repeat(np.arange(len(users)), [len(user) for user in users])
    sizes = np.full(len(users), candidates)
    return Judged(ranks, owner, sizes if listed is None else np.full(len(users), listed), sizes)


def test_one_right_item_by_hand():
    ranks = np.array([0, 1, 9, 10, MISSED])
    assert ndcg(ranks, 10) == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(11)) / 5)
    found = summary(ranks)
    assert found["hit_rate@10"] == found["recall@10"] == pytest.approx(3 / 5)
    assert found["precision@10"] == pytest.approx(3 / 50)
    assert found["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 10 + 1 / 11) / 5)
    assert rank_of(np.array([7, 3, 5]), 5) == 2
    assert rank_of(np.array([7, 3, 5]), 4) == MISSED
    assert rmse(np.array([1, 2]), np.array([2, 4])) == pytest.approx(np.sqrt(2.5))


def test_several_right_items_by_hand():
    two = judged([0, 3, MISSED], [1])
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert ndcg_of(two, 10) == pytest.approx([(1 + 1 / np.log2(5)) / ideal, 1 / np.log2(3)])
    assert ndcg_of(two, 2) == pytest.approx([1 / (1 + 1 / np.log2(3)), 1 / np.log2(3)])
    assert recall_of(two, 10).tolist() == pytest.approx([2 / 3, 1])
    assert precision_of(two, 4).tolist() == pytest.approx([2 / 4, 1 / 4])
    assert hits_of(two, 1).tolist() == [1, 0]
    assert reciprocal_rank_of(two).tolist() == [1, 1 / 2]


def test_the_area_under_the_curve_by_hand():
    # 10 candidates, 2 right: 8 wrong. Ranks 0 and 4: none and three of the wrong ones stand above.
    assert auc_of(judged([0, 4], candidates=10)) == pytest.approx([1 - (0 + 3) / 2 / 8])
    # Only 5 were listed, of which 1 right: 4 wrong listed, 4 not; the missed one is taken to stand amid these.
    assert auc_of(judged([4, MISSED], candidates=10, listed=5)) == pytest.approx([1 - (4 + 4 + 2) / 2 / 8])
    assert auc_of(judged([0, 1], candidates=2)) == pytest.approx([1])


def test_a_list_that_answered_nothing_is_worth_a_guess():
    nothing = judged([MISSED], [MISSED, MISSED], listed=0)
    assert auc_of(nothing) == pytest.approx([0.5, 0.5])
    assert all((values == 0).all() for name, values in per_user(nothing).items() if name != "auc")


def test_nobody_to_ask_is_zero_and_no_warning():
    assert set(summary([]).values()) == {0.0}
    assert ndcg(np.zeros(0, np.int64), 10) == 0.0


def test_a_part_of_the_right_items_leaves_out_users_without_any():
    all_of_them = judged([0, 5], [7], [2, 3])
    some = all_of_them.take(np.array([False, True, False, True, True]))
    assert len(some) == 2
    assert some.ranks.tolist() == [5, 2, 3]
    assert some.owner.tolist() == [0, 1, 1]


def test_properties_of_lists_by_hand():
    top = np.array([[0, 1], [0, 2], [0, -1]])
    assert coverage(top, 5) == pytest.approx(3 / 5)
    # Counts 0, 0, 1, 1, 3: Gini = (-4·0 - 2·0 + 0·1 + 2·1 + 4·3) / (5 · 5)
    assert gini(top, np.ones(5, bool)) == pytest.approx(14 / 25)
    assert gini(np.array([[0], [1], [2]]), np.array([True, True, True, False])) == pytest.approx(0)
    assert gini(np.full((2, 2), -1), np.ones(5, bool)) == 0
    # 8 users: item 0 taken by 4 tells 1 bit, 1 by 1 tells 3, 2 by nobody counts as taken once.
    assert novelty(top, np.array([4, 1, 0, 8, 8]), 8) == pytest.approx((1 + 3 + 1 + 3 + 1) / 5)
    assert novelty(np.full((1, 2), -1), np.zeros(5, np.int64), 8) == 0


def some_rankings(rng, users=60, items=300, most=6):
    """Scores `[users, items]`, which items are right, and the ranks of those."""
    scores = rng.permuted(np.tile(np.linspace(0, 1, items), (users, 1)), axis=1)
    right = np.zeros((users, items), bool)
    for row, count in zip(right, rng.integers(1, most + 1, users), strict=True):
        row[rng.choice(items, count, replace=False)] = True
    place = np.argsort(np.argsort(-scores, axis=1), axis=1)
    owner, _ = np.nonzero(right)
    sizes = np.full(users, items)
    return scores, right, Judged(place[right], owner, sizes, sizes)


def test_agrees_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics", reason="needs the extra `train`")
    scores, right, found = some_rankings(np.random.default_rng(0))
    figures = {name: values.mean() for name, values in per_user(found).items()}
    assert figures["ndcg@10"] == pytest.approx(sklearn.ndcg_score(right, scores, k=10))
    expected = [sklearn.roc_auc_score(*pair) for pair in zip(right, scores, strict=True)]
    assert auc_of(found) == pytest.approx(np.array(expected))
    wanted = right.argmax(1)
    alone = Judged.single(np.argsort(np.argsort(-scores, axis=1), axis=1)[np.arange(60), wanted], 300)
    for name, k in (("hit_rate@5", 5), ("hit_rate@10", 10), ("recall@100", 100)):
        expected = sklearn.top_k_accuracy_score(wanted, scores, k=k, labels=np.arange(300))
        assert PER_USER[name](alone).mean() == pytest.approx(expected), name
    precision = sklearn.label_ranking_average_precision_score(np.eye(300)[wanted], scores)
    assert PER_USER["mrr"](alone).mean() == pytest.approx(precision)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # its compiler's
def test_agrees_with_ranx():
    """Its metrics are compiled when first called, which takes minutes."""
    ranx = pytest.importorskip("ranx", reason="needs the extra `dev`")
    scores, right, found = some_rankings(np.random.default_rng(1), users=40, items=700)
    qrels = {f"u{u}": {f"i{i}": 1 for i in np.flatnonzero(row)} for u, row in enumerate(right)}
    run = {f"u{u}": {f"i{i}": float(s) for i, s in enumerate(row)} for u, row in enumerate(scores)}
    names = [name for name in PER_USER if name != "auc"]  # which ranx does not have
    expected = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), names)
    figures = per_user(found)
    for name in names:
        assert figures[name].mean() == pytest.approx(expected[name]), name


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True), min_size=1, max_size=5))
def test_all_metrics_are_shares_and_a_better_rank_is_never_worse(ranks):
    before = per_user(judged(*ranks, candidates=60))
    lifted = [[rank - 1 if rank and rank - 1 not in user else rank for rank in user] for user in ranks]
    assume(all(len(set(user)) == len(user) for user in lifted))
    after = per_user(judged(*lifted, candidates=60))
    for name, values in before.items():
        assert ((values >= 0) & (values <= 1 + 1e-12)).all(), name
        assert (after[name] >= values - 1e-12).all(), name
