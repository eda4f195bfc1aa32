"""Softmaxes over some of the catalogue against the one over all of it."""

from dataclasses import replace

import numpy as np
import pytest

tf = pytest.importorskip("towers.frameworks", reason="needs the extra `train`").tf

from catalog.errors import ConfigError  # noqa: E402
from tests.towers import replicas  # noqa: E402
from towers.frameworks import keras  # noqa: E402
from towers.item_tower import ItemSizes  # noqa: E402
from towers.layers import tensors  # noqa: E402
from towers.loss import SampledSoftmax  # noqa: E402
from towers.negatives import MOST, Examples, Mixed, expected_draws, negatives  # noqa: E402
from towers.retrieval import RetrievalModel, TowerConfig  # noqa: E402
from towers.user_tower import UserSizes  # noqa: E402
from training.config import TrainConfig  # noqa: E402

pytestmark = pytest.mark.train

ITEMS, SIZE = 20, 4
SHARE = np.array([0.3, 0.2, 0.1, *[0.4 / 12] * 12, *[0.0] * 5], np.float32)
"""Of the targets; five items are nobody's."""


def by_hand(logits, right):
    """Cross-entropy of float64 logits."""
    return float(np.log(np.exp(np.array(logits, np.float64)).sum()) - logits[right])


def test_a_candidate_counts_as_often_as_items_it_stands_for():
    # The query scores its own item 1, the candidates 2 and 3, of which the latter stands for four items.
    value = SampledSoftmax()(
        tf.constant([[1.0]]), tf.constant([[1.0]]), tf.constant([7]), tf.constant([1.0]),
        tf.constant([[2.0], [3.0]]), tf.constant([8, 9]), tf.math.log([1.0, 4.0]),
    )  # fmt: skip
    assert float(value) == pytest.approx(by_hand([1, 2, 3, 3, 3, 3], 0), abs=1e-5)


def test_own_items_among_the_candidates_do_not_count_and_get_no_gradient():
    candidates = tf.Variable([[2.0], [3.0], [2.0]])
    with tf.GradientTape() as tape:
        value = SampledSoftmax(0.5)(
            tf.constant([[1.0], [-1.0]]), tf.constant([[1.0], [2.0]]), tf.constant([7, 8]), tf.constant([3.0, 1.0]),
            candidates, tf.constant([7, 9, 7]), tf.zeros(3),
        )  # fmt: skip
    first, second = by_hand([2, 6], 0), by_hand([-4, -4, -6, -4], 0)
    assert float(value) == pytest.approx((3 * first + second) / 4, abs=1e-5)
    with tf.GradientTape() as tape:
        value = SampledSoftmax()(
            tf.constant([[1.0]]), tf.constant([[1.0]]), tf.constant([7]), tf.constant([1.0]),
            candidates, tf.constant([7, 9, 7]), tf.zeros(3),
        )  # fmt: skip
    gradient = tape.gradient(value, candidates).numpy()
    assert gradient[1] > 0
    assert not gradient[[0, 2]].any()


def gradients(kind, rows, seed=0, vectors=None):
    """The loss and its gradient in the item vectors, of queries whose next items are `rows`."""
    rng = np.random.default_rng(seed)
    matrix = tf.Variable(np.random.default_rng(1).normal(size=(ITEMS, SIZE)).astype(np.float32))
    queries = tf.constant(rng.normal(size=(len(rows), SIZE)), tf.float32)
    with tf.GradientTape() as tape:
        beside = kind.beside()
        examples = Examples(
            queries=queries, rows=tf.constant(rows), items=tf.gather(matrix, rows), weights=tf.ones(len(rows)),
            searches=queries[:3],
        )  # fmt: skip
        loss = kind.loss(examples, beside, tf.gather(matrix, beside), lambda some: tf.gather(matrix, some))
    return float(loss), tf.convert_to_tensor(tape.gradient(loss, matrix)).numpy()


def test_full_is_the_softmax_over_everything():
    rows = np.array([0, 3, 19, 3], np.int32)
    loss, _ = gradients(negatives("full", SHARE, SIZE, 1.0), rows)
    matrix = np.random.default_rng(1).normal(size=(ITEMS, SIZE))
    queries = np.random.default_rng(0).normal(size=(4, SIZE))
    expected = [by_hand(scores, row) for scores, row in zip(queries @ matrix.T, rows, strict=True)]
    assert loss == pytest.approx(np.mean(expected), abs=1e-4)


@pytest.mark.parametrize("searched", [False, True])
def test_the_mixed_gradient_is_that_of_the_whole_softmax_on_average(searched):
    """Items that nobody takes included, whether the index knows the hardest or nothing yet."""
    keras.utils.set_random_seed(0)
    mixed, full = Mixed(SHARE, SIZE, 1.0), negatives("full", SHARE, SIZE, 1.0)
    mixed._hardest = 2
    if searched:
        mixed.validated(np.random.default_rng(1).normal(size=(ITEMS, SIZE)).astype(np.float32))
    rng = np.random.default_rng(2)
    found = {"mixed": [], "full": []}
    for seed in range(40):
        rows = rng.choice(ITEMS, 500, p=SHARE / SHARE.sum()).astype(np.int32)
        found["mixed"].append(gradients(mixed, rows, seed)[1])
        found["full"].append(gradients(full, rows, seed)[1])
    mixed_mean, full_mean = (np.mean(found[name], axis=0) for name in ("mixed", "full"))
    size = np.linalg.norm(full_mean)
    assert np.linalg.norm(mixed_mean - full_mean) < 0.02 * size
    assert np.abs(mixed_mean[15:] - full_mean[15:]).max() < 0.02 * np.abs(full_mean).max(), (
        "of nobody's items"
    )


def test_a_sample_as_expected_gives_the_whole_softmax_exactly():
    # Of eight rows of a batch and four drawn of four items, 5, 3, 3 and 1 are expected.
    share = np.array([0.5, 0.25, 0.25, 0.0], np.float32)
    sample = np.repeat(np.arange(4), [5, 3, 3, 1]).astype(np.int32)
    expected = expected_draws(tf.gather(share, sample), tf.constant(8), tf.constant(4), 4)
    np.testing.assert_allclose(expected, np.array([5, 3, 3, 1])[sample])
    matrix = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    queries, rows = (
        np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32),
        np.arange(4, dtype=np.int32),
    )
    value = SampledSoftmax()(
        tf.constant(queries), tf.gather(matrix, rows), tf.constant(rows), tf.ones(4),
        tf.gather(matrix, sample), tf.constant(sample), -tf.math.log(expected),
    )  # fmt: skip
    whole = [by_hand(scores, row) for scores, row in zip(queries @ matrix.T, rows, strict=True)]
    assert float(value) == pytest.approx(np.mean(whole), abs=1e-5)


def test_the_hardest_are_those_that_the_index_has_next():
    mixed = Mixed(SHARE, SIZE, 1.0)
    mixed._hardest = 3
    queries = np.random.default_rng(3).normal(size=(2, SIZE)).astype(np.float32)
    assert sorted(mixed.hardest(tf.constant(queries)).numpy()) == [0, 1, 2], "nothing was validated yet"
    vectors = np.random.default_rng(4).normal(size=(ITEMS, SIZE)).astype(np.float32)
    mixed.validated(vectors)
    nearest = np.argsort(-(queries @ vectors.T), axis=1)[:, :3]
    assert sorted(mixed.hardest(tf.constant(queries)).numpy()) == sorted(set(nearest.ravel()))


def model(kind):
    return RetrievalModel(
        replace(replicas.CONFIG, negatives=kind), ItemSizes(replicas.ITEMS + 1, 9, 3, 2),
        UserSizes(replicas.USERS, 5, 1, replicas.HISTORY, (1, 2)), replicas.catalogue(),
        np.full(replicas.ITEMS, 1 / replicas.ITEMS, np.float32),
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "apart"), [("full", 1e-4), ("mixed", 0.02)])
def test_the_towers_learn_by_the_softmax_over_everything(kind, apart):
    """Exactly, or by a thousand draws of twelve items."""
    keras.utils.set_random_seed(0)
    towers, batch = model(kind), replicas.windows(6, 1)
    given = tensors(batch)
    with tf.GradientTape() as tape:
        loss = towers.compute_loss(given, training=True)
    vectors = towers.item_vectors()
    seen = vectors[batch["history_rows"]] * (batch["history_types"] > 0)[..., None]
    states = towers.user_tower({**given, "history_vectors": tf.constant(seen)}).numpy()
    asked = batch["target_rows"] >= 0
    scores = states[asked] @ vectors.T / replicas.CONFIG.temperature
    each = [by_hand(one, row) for one, row in zip(scores, batch["target_rows"][asked], strict=True)]
    assert float(loss) == pytest.approx(np.average(each, weights=batch["target_weights"][asked]), rel=apart)
    assert all(each is not None for each in tape.gradient(loss, towers.trainable_variables))


def test_the_index_of_the_last_validation_is_kept_with_the_weights():
    towers = model("mixed")
    towers.compute_loss(tensors(replicas.windows(3, 1)), training=True)
    vectors = towers.item_vectors()
    towers.item_vectors(known=False)
    kept = [weight for weight in towers.get_weights() if weight.shape == vectors.shape]
    assert any(np.array_equal(weight, vectors) for weight in kept)
    assert not any("index" in weight.name for weight in towers.trainable_weights)


def test_what_cannot_be_is_said():
    with pytest.raises(ConfigError, match=r"towers.negatives among batch, mixed, full, got 'all'"):
        TrainConfig(towers=TowerConfig(negatives="all"))
    with pytest.raises(ConfigError, match=r"at most 50,000 items .* got 50,001; use 'mixed'"):
        negatives("full", np.zeros(MOST + 1, np.float32), SIZE, 1.0)
