"""One training step on two devices and on one: `python -m tests.towers.replicas` prints how far they are apart.

In a process of its own, because the processor can be taken for two devices only before TensorFlow has used it.
"""

import json

import numpy as np

import tests.conftest  # noqa: F401  bounds the threads
from towers.device import training_step
from towers.frameworks import keras, tf
from towers.item_tower import ItemSizes
from towers.layers import rounded_products, tensors
from towers.retrieval import RetrievalModel, TowerConfig
from towers.user_tower import UserSizes

ITEMS, HISTORY, USERS = 12, 6, 5
CONFIG = TowerConfig(
    embedding_size=8,
    blocks=2,
    heads=2,
    dropout=0.0,
    item_id_dropout=0.0,
    item_content_dropout=0.0,
    user_id_dropout=0.0,
    temperature=0.5,
)


def catalogue():
    rng = np.random.default_rng(0)
    return {
        "item_row": np.arange(1, ITEMS + 1, dtype=np.int32),
        "item_tokens": rng.integers(1, 9, (ITEMS, 2)).astype(np.int32),
        "item_numeric": rng.normal(size=(ITEMS, 1)).astype(np.float32),
        "text": rng.normal(size=(ITEMS, 3)).astype(np.float32),
        "image": rng.normal(size=(ITEMS, 2)).astype(np.float32),
        "content_mask": np.ones((ITEMS, 2), np.float32),
    }  # fmt: skip


def windows(count, seed):
    """Windows of 2 to 6 events, of which some are asked for, with weights."""
    rng = np.random.default_rng(seed)
    length = rng.integers(2, HISTORY + 1, count)[:, None]
    present = np.arange(HISTORY)[None, :] >= HISTORY - length
    rows = np.where(present, rng.integers(0, ITEMS, (count, HISTORY)), 0).astype(np.int32)
    asked = np.concatenate(
        [np.zeros((count, 1), bool), present & (rng.random((count, HISTORY)) < 0.8)], axis=1
    )
    asked[:, -1] = True
    target = np.where(asked, rng.integers(0, ITEMS, asked.shape), -1).astype(np.int32)
    return {
        "user_row": rng.integers(0, USERS, count).astype(np.int32),
        "user_tokens": rng.integers(1, 5, (count, 2)).astype(np.int32),
        "history_rows": rows, "history_types": present.astype(np.int32),
        "history_values": rng.random((count, HISTORY)).astype(np.float32) * present,
        "history_gaps": rng.integers(0, 12, (count, HISTORY)).astype(np.int32) * present,
        "target_rows": target,
        "target_weights": np.where(asked, rng.choice([0.5, 1.0, 2.0], asked.shape), 0).astype(np.float32),
    }  # fmt: skip


def weight(batch):
    return float(batch["target_weights"].sum())


def trained(batches, weights=None):
    """Losses, weights before and weights after; plain gradient descent, so that a step shows the gradient."""
    model = RetrievalModel(
        CONFIG, ItemSizes(ITEMS + 1, 9, 3, 2), UserSizes(USERS, 5, 1, HISTORY, (1, 2)), catalogue(),
        np.full(ITEMS, 1 / ITEMS, np.float32),
    )  # fmt: skip
    tf.distribute.get_strategy().run(model.compute_loss, args=(tensors(batches[0]), True))
    if weights is not None:
        model.set_weights(weights)
    before = model.get_weights()
    model.compile(optimizer=keras.optimizers.SGD(1.0, global_clipnorm=0.5))
    step = training_step(model, weight)
    losses = [float(step(batch)) for batch in batches]
    return losses, before, model.get_weights()


def furthest(one, other):
    return max(float(np.abs(a.astype(float) - b).max()) for a, b in zip(one, other, strict=True))


def main():
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    keras.utils.set_random_seed(0)
    batches = [windows(7, 1), windows(4, 2), windows(5, 3)]  # odd sizes: the devices' parts differ
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        two, before, after = trained(batches)
        alone = trained([windows(1, 4)])[0]  # nothing that counts for the second device
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
    one, _, expected = trained(batches, before)
    with rounded_products():
        rounded = trained(batches, before)[0]
    print(json.dumps({
        "replicas": replicas, "alone": alone, "losses": [one, two], "rounded": rounded,
        "moved": furthest(before, expected), "apart": furthest(after, expected),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
