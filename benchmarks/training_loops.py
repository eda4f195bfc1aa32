"""The loops that `bench_training` compares: each trains for one round and says from how many examples."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.registry import open_dataset
from catalog.simulated.world import Size
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from embeddings.job import embed
from embeddings.store import MemoryEmbeddingStore, SelectedEncoder
from towers.device import training_step
from towers.frameworks import keras, tf, tfrs
from towers.retrieval import RetrievalModel
from training.config import TrainConfig
from training.dataset import TrainingData
from training.retriever import untrained
from training.split import next_item
from training.train import feature_space
from training.windows import Windows

STEPS = 40
"""In a round; where every example carries its own history, so many fewer."""
HISTORY_STEPS = 4

Work = Callable[[], int]


def catalogue(items: int, users: int, events: int, folder: Path) -> TrainingData:
    """A simulated shop with texts, pictures, side features and behaviour."""
    store, vectors = MemoryStore(), MemoryEmbeddingStore()
    size = Size(items=items, users=users, events=events, seed=1)
    import_dataset(open_dataset("simulated", home=folder, size=size), store)
    for encoder in (HashingTextEncoder(), HashingImageEncoder()):
        embed(store.items(), encoder, vectors)
        vectors.select(encoder.modality, SelectedEncoder(encoder.name, encoder.dim))
    return TrainingData.load(store, vectors)


def towers(data: TrainingData) -> tuple[RetrievalModel, Windows, TrainConfig]:
    """New towers, and the windows of the training events."""
    config, split = TrainConfig(), next_item(data)
    keras.utils.set_random_seed(config.seed)
    model, windows, _, _ = untrained(data, feature_space(data, split, config), split, config)
    return model, windows, config


def single(data: TrainingData, windows: Windows) -> dict[str, Any]:
    """Every event that is asked for as an example of its own, `target`, with the history before it.

    A user's very first event, which has none, is left out.
    """
    split = next_item(data)
    used = np.flatnonzero(split.end > split.begin)
    size = split.end[used] - split.begin[used] - 1
    window = np.repeat(np.arange(len(used)), size)
    last = np.concatenate([np.arange(split.begin[user], split.end[user] - 1) for user in used])
    columns = windows.batch(window, last)
    target = columns.pop("target_rows")[:, -1]
    del columns["target_weights"]
    return {name: column[target >= 0] for name, column in {**columns, "target": target}.items()}


def by_windows(data: TrainingData) -> tuple[Work, int]:
    """Our loop, making its batches as it goes, and how many examples a batch has."""
    model, windows, config = towers(data)
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate, beta_2=0.98, global_clipnorm=1.0))
    step = training_step(model, lambda batch: float(batch["target_weights"].sum()))
    rng = np.random.default_rng(config.seed)

    def work() -> int:
        examples, loss = 0, tf.constant(0.0)
        for batch in islice(windows.epoch(config.batch_size, rng), STEPS):
            loss = step(batch)
            examples += int((batch["target_rows"] >= 0).sum())
        assert np.isfinite(float(loss))
        return examples

    return work, round(windows.examples / windows.steps(config.batch_size))


def tutorial(model: tfrs.Model, columns: dict[str, Any], batch: int, steps: int, seed: int) -> Work:
    """The tutorial's own loop around a model: a cached pipeline of shuffled batches, and `fit`."""
    # In passes over all examples where there are fewer than the steps take.
    some = np.resize(np.random.default_rng(seed).permutation(len(columns["target"])), batch * steps)
    chosen = {name: column[some] for name, column in columns.items()}
    cached = tf.data.Dataset.from_tensor_slices(chosen).shuffle(100_000).batch(batch).cache()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))

    def work() -> int:
        losses = model.fit(cached, epochs=1, verbose=0).history["loss"]
        assert np.isfinite(losses).all()
        return batch * steps

    return work


def tutorial_same_towers(data: TrainingData, batch: int) -> Work:
    """The tutorial's loop around the user tower that reads histories, one history an example."""
    model, windows, config = towers(data)
    return tutorial(HistoryModel(model), single(data, windows), batch, HISTORY_STEPS, config.seed)


def tutorial_user_ids(data: TrainingData, batch: int) -> Work:
    """The tutorial's loop around its own user tower."""
    model, windows, config = towers(data)
    columns = single(data, windows)
    few = {name: columns[name] for name in ("user_row", "target")}
    return tutorial(UserIdModel(model, int(few["user_row"].max()) + 1), few, batch, STEPS, config.seed)


class HistoryModel(tfrs.Model):
    """The tutorial's model with the project's towers."""

    def __init__(self, both: RetrievalModel) -> None:
        super().__init__()
        self.both, self.task = both, tfrs.tasks.Retrieval()

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Loss of a batch of histories and targets."""
        history, types = features["history_rows"], features["history_types"]
        rows, position = tf.unique(tf.concat([tf.reshape(history, [-1]), features["target"]], axis=0))
        each = tf.gather(self.both.item_tower(self.both.item_inputs(rows), training=training), position)
        count, size = tf.size(history), self.both.config.embedding_size
        read = (
            tf.reshape(each[:count], (-1, history.shape[1], size)) * tf.cast(types > 0, tf.float32)[..., None]
        )
        users = self.both.user_tower({**features, "history_vectors": read}, training=training)[:, -1]
        return self.task(users, each[count:], compute_metrics=False)


class UserIdModel(tfrs.Model):
    """The tutorial's model: an embedding of user ids, here beside the project's item tower."""

    def __init__(self, both: RetrievalModel, users: int) -> None:
        super().__init__()
        self.both, self.task = both, tfrs.tasks.Retrieval()
        self.users = keras.layers.Embedding(users, both.config.embedding_size)

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Loss of a batch of users and targets."""
        items = self.both.item_tower(self.both.item_inputs(features["target"]), training=training)
        return self.task(self.users(features["user_row"]), items, compute_metrics=False)
