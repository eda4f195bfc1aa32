"""A small simulated data set in memory, and one short training on it that several tests look at."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.records import IdMap, InteractionLog, Item, User
from catalog.registry import open_dataset
from catalog.schema import DatasetSchema, InteractionType
from catalog.simulated.world import Size
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from embeddings.job import embed
from embeddings.store import MemoryEmbeddingStore, SelectedEncoder

has_training = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs the extra `train`"
)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """300 items, 250 users, 9,000 events with text and pictures, imported and embedded without weights."""
    from training.dataset import TrainingData

    store, vectors = MemoryStore(), MemoryEmbeddingStore()
    size = Size(items=300, users=250, events=9_000, seed=5)
    import_dataset(open_dataset("simulated", home=tmp_path_factory.mktemp("home"), size=size), store)
    for encoder in (HashingTextEncoder(), HashingImageEncoder()):
        embed(store.items(), encoder, vectors)
        vectors.select(encoder.modality, SelectedEncoder(encoder.name, encoder.dim))
    return TrainingData.load(store, vectors)


def little_config(**changed):
    """A training of seconds."""
    from training.config import TrainConfig

    knobs = {
        "epochs": 6, "validate_every": 2, "batch_size": 16, "learning_rate": 3e-3, "order_epochs": 3,
        "rating_epochs": 3, "order_examples": 1500, "candidates": 100, "list_size": 32, "history": 20,
    }  # fmt: skip
    return TrainConfig(**{**knobs, **changed})


@pytest.fixture(scope="session")
def run(simulated, tmp_path_factory):
    """The finished run of a short training."""
    from training.train import train

    return train(simulated, little_config(), tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="session")
def bundle_path(run, tmp_path_factory) -> Path:
    """The bundle built from it."""
    from training.build import build

    return build(run, tmp_path_factory.mktemp("bundles"))


def tiny(events, types=None, items=6, users=3):
    """Training data from (user, item) pairs in order of time, without content or side features."""
    from training.dataset import Content, TrainingData

    schema = DatasetSchema(
        name="tiny",
        interactions={
            "click": InteractionType(), "rate": InteractionType(value=True, minimum=1, maximum=5),
            "dismiss": InteractionType(polarity="negative"),
        },
    )  # fmt: skip
    log = InteractionLog(
        np.array([u for u, _ in events], np.int64), np.array([i for _, i in events], np.int64),
        np.array(types if types is not None else [1] * len(events), np.int64),
        np.full(len(events), np.nan, np.float32), np.arange(len(events), dtype=np.float64) * 10,
        np.zeros(len(events), np.int64),
    )  # fmt: skip
    ids, people = [f"i{n}" for n in range(items)], [f"u{n}" for n in range(users)]
    return TrainingData(
        schema, tuple(Item(i) for i in ids), tuple(User(u) for u in people), IdMap.of(ids), IdMap.of(people),
        log, Content.none(items), 0.0,
    )  # fmt: skip
