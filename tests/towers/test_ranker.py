"""The ranking heads: what they may not see, where they start, and one user for many candidates."""

import numpy as np
import pytest

tf = pytest.importorskip("towers.frameworks", reason="needs the extra `train`").tf

from towers.cross import CROSS  # noqa: E402
from towers.frameworks import keras  # noqa: E402
from towers.order import OrderHead  # noqa: E402
from towers.ranker import OrderModel, Ranker, RatingModel  # noqa: E402
from towers.rating import RankerSizes, RatingEnsemble, RatingHead  # noqa: E402

pytestmark = pytest.mark.train
SIZES = RankerSizes(
    item_ids=9, item_tokens=6, item_slots=2, user_ids=4, user_tokens=5, numbers=2, cross=len(CROSS)
)
N, RATED = 6, 5


def shake(layer, inputs):
    """Give a layer weights of a size that shows mistakes."""
    layer(inputs)
    for weight in layer.trainable_variables:
        weight.assign(weight + tf.random.stateless_normal(weight.shape, (len(weight.name), 5), stddev=0.4))
    return layer


def asked(rows=range(1, N + 1), rated=(0, 0, 7, 2, 8), values=(0, 0, 5, 1, 3), users=1):
    rng = np.random.default_rng(3)
    n = len(rows)
    inputs = {
        "user_row": np.full(users, 2, np.int32), "user_tokens": np.full((users, 2), 3, np.int32),
        "rated_rows": np.tile(np.array(rated, np.int32), (users, 1)),
        "rated_values": np.tile(np.array(values, np.float32), (users, 1)),
        "item_row": np.array(rows, np.int32), "item_tokens": rng.integers(1, 6, (n, 2)).astype(np.int32),
        "item_numeric": rng.normal(size=(n, 2)).astype(np.float32),
        "cross": rng.normal(size=(n, len(CROSS))).astype(np.float32),
    }  # fmt: skip
    return {name: tf.constant(array) for name, array in inputs.items()}


@pytest.fixture(scope="module")
def rating():
    keras.utils.set_random_seed(4)
    return shake(RatingHead(SIZES, 3.5, 1.0, 5.0, factors=4), asked())


@pytest.fixture(scope="module")
def order():
    keras.utils.set_random_seed(5)
    head = OrderHead(SIZES, np.zeros(len(CROSS), np.float32), np.ones(len(CROSS), np.float32), 3, 2, 8)
    return shake(head, asked())


def test_an_untrained_head_predicts_the_mean_and_how_the_user_leans():
    head = RatingHead(SIZES, 3.5, 1.0, 5.0, factors=4)
    head(asked())
    for weight in head.trainable_variables:
        if weight.name not in ("shrink:0", "sharp:0"):
            weight.assign(tf.zeros_like(weight))
    predicted, _ = head(asked(rows=[1]))
    # three values, 5, 1 and 3, lie 1.5 - 2.5 - 0.5 = -1.5 off the mean; shrunk by softplus(5) = 5.0067
    lean = -1.5 / (3 + np.log1p(np.exp(5.0)))
    deviations = np.array([1.5 - lean, -2.5 - lean, -0.5 - lean])
    weight = np.log1p(np.exp(-2.0))  # all items alike: softplus(0 - 2)
    nearby = weight * deviations.sum() / (3 * weight + 1)
    assert float(predicted[0]) == pytest.approx(3.5 + lean + nearby, abs=1e-4)


def test_a_prediction_does_not_see_the_value_it_predicts(rating):
    low, _ = rating(asked(rows=[7], values=(0, 0, 1, 1, 3)))
    high, _ = rating(asked(rows=[7], values=(0, 0, 5, 1, 3)))
    np.testing.assert_allclose(low, high, rtol=1e-6)
    others, _ = rating(asked(rows=[6], values=(0, 0, 1, 1, 3)))
    assert abs(float(others[0]) - float(rating(asked(rows=[6]))[0][0])) > 1e-3


def test_masking_the_candidate_is_the_same_as_never_having_rated_it(rating):
    with_own, _ = rating(asked(rows=[7]))
    without, _ = rating(asked(rows=[7], rated=(0, 0, 0, 2, 8), values=(0, 0, 0, 1, 3)))
    np.testing.assert_allclose(with_own, without, rtol=1e-5)


@pytest.mark.parametrize("head", ["rating", "order"])
def test_one_user_for_all_candidates_is_the_user_repeated(head, request):
    layer = request.getfixturevalue(head)
    one, many = layer(asked(users=1)), layer(asked(users=N))
    one, many = (one[0], many[0]) if isinstance(one, tuple) else (one, many)
    np.testing.assert_allclose(one, many, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("head", ["rating", "order"])
def test_candidates_do_not_see_each_other(head, request):
    layer = request.getfixturevalue(head)
    whole, alone = layer(asked()), layer({k: v[:1] for k, v in asked().items()})
    whole, alone = (whole[0], alone[0]) if isinstance(whole, tuple) else (whole, alone)
    np.testing.assert_allclose(whole[:1], alone, rtol=1e-5, atol=1e-6)


def test_an_untrained_order_is_that_of_retrieval():
    mean, std = np.full(len(CROSS), 2.0, np.float32), np.full(len(CROSS), 3.0, np.float32)
    head = OrderHead(SIZES, mean, std, 3, 2, 8)
    inputs = asked()
    np.testing.assert_array_equal(head(inputs), inputs["cross"][:, 0])


def test_predictions_stay_within_the_declared_range(rating):
    heads = RatingEnsemble([rating])
    model = RatingModel(heads, reg=0.1)
    far = asked(rated=(1, 2, 3, 7, 8), values=(500, 500, 500, 500, 500))
    assert model.predict_values(far).numpy().max() <= 5.0
    ranker = Ranker(
        OrderHead(SIZES, np.zeros(len(CROSS), np.float32), np.ones(len(CROSS), np.float32), 3, 2, 8), heads
    )
    answer = ranker(far)
    assert sorted(answer) == ["rating", "score"]
    assert answer["rating"].numpy().max() <= 5.0


def test_an_ensemble_predicts_the_mean_and_each_member_learns_from_its_own_error(rating):
    keras.utils.set_random_seed(6)
    other = shake(RatingHead(SIZES, 3.0, 1.0, 5.0, factors=4), asked())
    heads = RatingEnsemble([rating, other])
    inputs = asked()
    one, two = (head(inputs)[0].numpy() for head in heads.members)
    assert np.abs(one - two).max() > 0.1
    np.testing.assert_allclose(heads(inputs), np.clip((one + two) / 2, 1, 5), rtol=1e-6)
    values = np.full(N, 4.0, np.float32)
    error = ((one - values) ** 2).mean() + ((two - values) ** 2).mean()
    assert float(RatingModel(heads, 0.1).compute_loss({**inputs, "value": values})) == pytest.approx(
        error, rel=1e-5
    )


def test_the_penalty_counts_in_training_only(rating):
    model = RatingModel(RatingEnsemble([rating]), reg=0.1)
    batch = {**asked(users=N), "value": tf.constant(np.full(N, 4.0, np.float32))}
    predicted, penalty = rating(batch)
    error = float(tf.reduce_mean((predicted - 4.0) ** 2))
    assert float(model.compute_loss(batch)) == pytest.approx(error, rel=1e-5)
    expected = error + 0.1 * float(tf.reduce_mean(penalty))
    assert float(model.compute_loss(batch, training=True)) == pytest.approx(expected, rel=1e-5)


def test_lists_are_scored_like_their_candidates(order):
    flat = asked()
    lists = {name: tf.reshape(flat[name], (2, 3, -1)) for name in ("cross", "item_tokens", "item_numeric")}
    scores = OrderModel(order).score_lists(
        {**lists, "user_tokens": tf.repeat(flat["user_tokens"], 2, axis=0)}
    )
    np.testing.assert_allclose(tf.reshape(scores, [-1]), order(flat), rtol=1e-5, atol=1e-6)
