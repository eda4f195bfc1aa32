"""The losses against numbers derived by hand."""

import numpy as np
import pytest

tf = pytest.importorskip("towers.frameworks", reason="needs the extra `train`").tf

from towers.loss import InBatchSoftmax, ListSoftmax, SquaredError  # noqa: E402

pytestmark = pytest.mark.train


def loss(scores, ids, probability, weights=None, temperature=1.0):
    """In-batch softmax for a chosen score matrix: identity queries make it the item matrix."""
    scores = np.array(scores, np.float32)
    n = len(scores)
    value = InBatchSoftmax(temperature)(
        tf.eye(n), tf.constant(scores.T.copy()), tf.constant(ids), tf.constant(probability, tf.float32),
        tf.constant(weights if weights is not None else [1.0] * n, tf.float32),
    )  # fmt: skip
    return float(value)


def cross_entropy(logits, right):
    logits = np.array(logits, np.float64)
    return float(np.log(np.exp(logits).sum()) - logits[right])


def test_plain_softmax_over_the_batch():
    # equal probabilities shift all logits alike, which a softmax does not see
    expected = (cross_entropy([2, 1], 0) + cross_entropy([0, 3], 1)) / 2
    assert loss([[2, 1], [0, 3]], [10, 11], [0.5, 0.5]) == pytest.approx(expected, abs=1e-5)


def test_popular_items_are_corrected_for_being_drawn_more_often():
    # item 11 is drawn four times as often, so its logit loses log 4 more
    expected = (cross_entropy([2 - np.log(0.1), 1 - np.log(0.4)], 0)
                + cross_entropy([0 - np.log(0.1), 3 - np.log(0.4)], 1)) / 2  # fmt: skip
    assert loss([[2, 1], [0, 3]], [10, 11], [0.1, 0.4]) == pytest.approx(expected, abs=1e-5)


def test_the_same_item_of_another_query_is_no_negative():
    # rows 0 and 2 ask for the same item: for each of them only row 1 is a negative
    scores = [[2, 1, 2], [0, 3, 0], [5, 1, 5]]
    expected = (cross_entropy([2, 1], 0) + cross_entropy([0, 3, 0], 1) + cross_entropy([1, 5], 1)) / 3
    assert loss(scores, [7, 8, 7], [0.2, 0.2, 0.2]) == pytest.approx(expected, abs=1e-5)


def test_an_accidental_hit_gets_no_gradient():
    items = tf.Variable([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    with tf.GradientTape() as tape:
        value = InBatchSoftmax()(
            tf.constant([[3.0, 0.0]]),
            items,
            tf.constant([7, 8, 7]),
            tf.constant([0.3, 0.3, 0.3]),
            tf.constant([1.0]),
        )
    gradient = tape.gradient(value, items).numpy()
    assert not gradient[2].any()
    assert gradient[1].any()


def test_weights_make_a_weighted_mean():
    expected = (3 * cross_entropy([2, 1], 0) + 1 * cross_entropy([0, 3], 1)) / 4
    assert loss([[2, 1], [0, 3]], [1, 2], [0.5, 0.5], weights=[3, 1]) == pytest.approx(expected, abs=1e-5)


def test_temperature_divides_the_scores():
    assert loss([[2, 1], [0, 3]], [1, 2], [0.5, 0.5], temperature=0.5) == pytest.approx(
        loss([[4, 2], [0, 6]], [1, 2], [0.5, 0.5]), abs=1e-5
    )


def test_list_softmax_and_squared_error():
    value = ListSoftmax()(tf.constant([0, 2]), tf.constant([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]))
    assert float(value) == pytest.approx((cross_entropy([1, 2, 3], 0) + np.log(3)) / 2, abs=1e-5)
    assert float(SquaredError()(tf.constant([1.0, 3.0]), tf.constant([2.0, 1.0]))) == pytest.approx(2.5)
