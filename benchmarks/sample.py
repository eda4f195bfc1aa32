"""A model and a history of MovieLens-100k's size, with random weights: speed can be measured before training.

The graphs have the shapes that DESIGN and the towers have (a user tower of two attention blocks over 50 events,
a ranker with a light head for the order and a heavier one for ratings); nothing they answer means anything.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from bundle.manifest import Counts, Dims, IndexInfo
from bundle.probes import Probe
from bundle.writer import BundleWriter, new_version
from catalog.records import Floats, Interaction, Item, ItemId, User, UserId
from catalog.schema import DatasetSchema
from index.faiss_index import FaissIndex
from towers.cross import CROSS
from towers.features import FeatureSpace

ITEMS, USERS, EVENTS, DIM, HISTORY = 1682, 943, 100_000, 64, 50
NEIGHBOURS, SUCCESSORS, ALIKE = 200, 100, 50
SCHEMA = DatasetSchema.model_validate({
    "name": "sample",
    "items": {"genres": {"kind": "multi"}, "year": {"kind": "numeric"}},
    "users": {"age": {"kind": "numeric"}, "occupation": {"kind": "categorical"}},
    "interactions": {"rating": {"value": True, "minimum": 1, "maximum": 5, "positive_from": 4}},
    "category": "genres",
})  # fmt: skip


def sample_items() -> list[Item]:
    """Films with genres and years."""
    return [
        Item(
            ItemId(str(row + 1)), f"Film number {row} ({1930 + row % 70})",
            features={"genres": (f"genre {row % 18}", f"genre {row % 7}"), "year": 1930.0 + row % 70},
        )
        for row in range(ITEMS)
    ]  # fmt: skip


def sample_users() -> list[User]:
    """People with an age and an occupation."""
    return [
        User(UserId(str(row + 1)), {"age": 18.0 + row % 50, "occupation": f"o{row % 21}"})
        for row in range(USERS)
    ]


def sample_events(rng: np.random.Generator) -> list[Interaction]:
    """Ratings: long-tailed in items and in users, as those of MovieLens are."""
    users = np.sort(rng.choice(USERS, EVENTS, p=_tail(rng, USERS)))
    items = rng.choice(ITEMS, EVENTS, p=_tail(rng, ITEMS))
    values = rng.integers(1, 6, EVENTS)
    return [
        Interaction(
            UserId(str(user + 1)), ItemId(str(item + 1)), "rating", 8.8e8 + at, float(value), sequence=at
        )
        for at, (user, item, value) in enumerate(zip(users, items, values, strict=True))
    ]  # fmt: skip


def write_sample(folder: Path, rng: np.random.Generator) -> Path:
    """Write such a bundle under `folder`; returns its path."""
    items, users, version = sample_items(), sample_users(), new_version()
    space = dataclasses.replace(FeatureSpace.fit(SCHEMA, items, users, HISTORY, CROSS), version=version)
    tokens, numeric = space.item_inputs(items)
    vectors = _normal(rng, ITEMS, DIM)
    graphs = {
        "user_tower": _user_tower(rng, space), "item_tower": _item_tower(), "ranker": _ranker(rng, space),
    }  # fmt: skip
    with BundleWriter(folder, version) as writer:
        space.save(writer.path("features.json"))
        for name, graph in graphs.items():
            writer.graph(name, graph)
        rows = np.arange(ITEMS, dtype=np.int32)
        popularity = rng.zipf(1.5, ITEMS).astype(np.float32)
        writer.items(
            items, SCHEMA, tokens=tokens, numeric=numeric, embedding_rows=rows + 1, popularity=popularity
        )
        writer.users([user.user_id for user in users])
        writer.vectors(vectors)
        FaissIndex.build(vectors).save(writer.path("index.faiss"))
        writer.neighbours(np.argsort(-popularity), *_table(rng, NEIGHBOURS))
        writer.table("successor", *_table(rng, SUCCESSORS))
        writer.table("alike", *_table(rng, ALIKE))
        writer.probes(_probes(graphs, space))
        return writer.seal(
            dataset="sample", schema=SCHEMA, dims=Dims(vector=DIM, text=384, image=192, history=HISTORY),
            counts=Counts(items=ITEMS, users=USERS, interactions=EVENTS), heads=["score", "rating"],
            rank_by="ranker", rating_range=(1.0, 5.0), index=IndexInfo(kind="flat", recall_at_100=1.0),
        )  # fmt: skip


def _tail(rng: np.random.Generator, n: int) -> Any:
    weights = rng.lognormal(0, 1, n)
    return weights / weights.sum()


def _normal(rng: np.random.Generator, *shape: int) -> Any:
    return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)


class _Net:
    """Collects nodes; every call adds one and names its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def __call__(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def serialised(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> bytes:
        def values(spec: dict[str, Any]) -> list[Any]:
            kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT32}
            return [helper.make_tensor_value_info(n, kinds[k], shape) for n, (k, *shape) in spec.items()]

        graph = helper.make_graph(self.nodes, "sample", values(inputs), values(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        return bytes(model.SerializeToString())


def _table(rng: np.random.Generator, keep: int) -> tuple[np.ndarray[Any, Any], Floats]:
    """A table of neighbours as full as a trained one."""
    return rng.integers(0, ITEMS, (ITEMS, keep)), rng.random((ITEMS, keep), np.float32)


def _user_tower(rng: np.random.Generator, space: FeatureSpace) -> bytes:
    net = _Net()

    def dense(x: str, n: int, m: int) -> str:
        return net("MatMul", x, net.constant(_normal(rng, n, m)))

    x = "history_vectors"
    for last in (False, True):
        # As the real tower does, the last block computes only the position that is read.
        rows = net("Gather", x, net.constant(np.array([HISTORY - 1])), axis=1) if last else x
        query, key, value = dense(rows, DIM, DIM), dense(x, DIM, DIM), dense(x, DIM, DIM)
        weights = net("Softmax", net("MatMul", query, net("Transpose", key, perm=[0, 2, 1])), axis=-1)
        x = net("Add", rows, net("MatMul", weights, value))
        x = net("Add", x, dense(net("Relu", dense(x, DIM, 4 * DIM)), 4 * DIM, DIM))
    last_row = net("Squeeze", x, net.constant(np.array([1])))
    user = net("Gather", net.constant(_normal(rng, USERS + 1, DIM)), "user_row")
    net("Add", last_row, user, output="user_vector")
    return net.serialised(
        {"user_row": ("i", "b"), "history_vectors": ("f", "b", HISTORY, DIM)},
        {"user_vector": ("f", "b", DIM)},
    )


def _item_tower() -> bytes:
    net = _Net()
    net("MatMul", "text", net.constant(np.eye(384, DIM, dtype=np.float32)), output="item_vector")
    return net.serialised({"text": ("f", "n", 384)}, {"item_vector": ("f", "n", DIM)})


def _ranker(rng: np.random.Generator, space: FeatureSpace) -> bytes:
    """A score from cross features, tokens and numbers; a rating from both vectors as well."""
    net = _Net()
    tokens = net("Gather", net.constant(_normal(rng, space.item_tokens, 16)), "item_tokens")
    item = net("ReduceMean", tokens, axes=[1], keepdims=0)
    light = net("Concat", item, "item_numeric", "cross", axis=1)
    heavy = net("Concat", light, net("Mul", "user_vector", "item_vector"), "item_vector", axis=1)
    width = 16 + space.numbers + len(CROSS)
    for head, x, sizes in (("score", light, [width, 64]), ("rating", heavy, [width + 2 * DIM, 256, 64])):
        for inside, hidden in pairwise(sizes):
            x = net("Relu", net("MatMul", x, net.constant(_normal(rng, inside, hidden))))
        column = net("MatMul", x, net.constant(_normal(rng, sizes[-1], 1)))
        net("Squeeze", column, net.constant(np.array([1])), output=head)
    inputs = {
        "user_vector": ("f", "u", DIM), "item_tokens": ("i", "n", space.item_slots),
        "item_numeric": ("f", "n", space.numbers), "item_vector": ("f", "n", DIM), "cross": ("f", "n", len(CROSS)),
    }  # fmt: skip
    return net.serialised(inputs, {"score": ("f", "n"), "rating": ("f", "n")})


def _probes(graphs: dict[str, bytes], space: FeatureSpace) -> dict[str, Probe]:
    import onnxruntime

    feeds: dict[str, dict[str, Any]] = {
        "user_tower": {
            "user_row": np.zeros(1, np.int32), "history_vectors": np.ones((1, HISTORY, DIM), np.float32)
        },
        "item_tower": {"text": np.ones((1, 384), np.float32)},
        "ranker": {
            "user_vector": np.ones((1, DIM), np.float32),
            "item_tokens": np.zeros((2, space.item_slots), np.int32),
            "item_numeric": np.ones((2, space.numbers), np.float32),
            "item_vector": np.ones((2, DIM), np.float32), "cross": np.ones((2, len(CROSS)), np.float32),
        },
    }  # fmt: skip
    probes = {}
    for name, graph in graphs.items():
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_outputs()]
        answers = session.run(names, feeds[name])
        probes[name] = Probe(feeds[name], dict(zip(names, answers, strict=True)))
    return probes
