"""A tiny but real bundle: ONNX graphs whose answers can be computed by hand, real FAISS, hostile ids.

    python -m tests.bundle.make FOLDER      writes FOLDER/<version>

Vectors have four numbers: item r of category c points along axis c with length 1 + r / 100, so a user whose
history lies in one category is nearest to that category's last rows. The user tower averages the vectors of the
history (and adds 0.1 to every axis, so that a stranger has a vector too); the ranker's score is
`similarity + 0.001 · popularity-log`, its rating head `3 + similarity`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bundle.manifest import Counts, Dims, Encoders, IndexInfo
from bundle.probes import Probe
from bundle.proposals import Trends
from bundle.writer import BundleWriter
from catalog.records import Item, ItemId, User, UserId
from catalog.schema import DatasetSchema
from index.faiss_index import FaissIndex
from towers.features import CROSS_1, FeatureSpace

VERSION = "20260102-030405-abcdef"
DIM, CATEGORIES, N, HISTORY = 4, ("red", "green", "blue", "night owl/🦉"), 40, 6
DIMS, NO_ENCODERS = Dims(vector=DIM, text=DIM, image=2, history=HISTORY), Encoders()
HOSTILE = {5: "a b", 6: "a/b", 7: 'quo"te', 8: "emoji 🎬", 9: "$set", 10: "x/recommendations", 11: "."}
COLD, HIDDEN, BARE = 39, 38, 37
"""Rows of an item without an id embedding, an unavailable one, and one without any feature."""
SCHEMA = DatasetSchema.model_validate({
    "name": "tiny",
    "items": {"color": {"kind": "categorical"}, "tags": {"kind": "multi"}, "year": {"kind": "numeric"}},
    "users": {"age": {"kind": "numeric"}, "job": {"kind": "categorical"}},
    "interactions": {
        "rating": {"value": True, "minimum": 1, "maximum": 5, "positive_from": 4},
        "click": {"weight": 0.5},
        "dismiss": {"polarity": "negative"},
    },
    "category": "color",
})  # fmt: skip


def item_id(row: int) -> str:
    return HOSTILE.get(row, f"i{row}")


def items() -> list[Item]:
    listed = []
    for row in range(N):
        features = {"color": CATEGORIES[row % 4], "tags": ("x", f"t{row % 3}"), "year": 1990.0 + row}
        title = f"Film {row}, The ({1990 + row})" if row % 2 else f"Film {row} ({1990 + row})"
        listed.append(
            Item(
                ItemId(item_id(row)), "" if row == BARE else title, "", None,
                {} if row == BARE else features, available=row != HIDDEN,
            )
        )  # fmt: skip
    return listed


USERS = [User(UserId(name), {"age": 20.0 + i, "job": "cook"}) for i, name in enumerate(["u0", "u1", "ü/2"])]


def vectors() -> np.ndarray:
    rows = np.arange(N)
    out = np.zeros((N, DIM), np.float32)
    out[rows, rows % 4] = 1 + rows / 100
    return out


def popularity() -> np.ndarray:
    """Row r was taken 100 - r times; the cold one never."""
    counts = (100.0 - np.arange(N)).astype(np.float32)
    counts[COLD] = 0
    return counts


def user_tower() -> bytes:
    return _graph(
        [
            ("ReduceMean", ["history_vectors", "axis1"], ["mean"], {"keepdims": 0}),
            ("Add", ["mean", "bias"], ["user_vector"], {}),
        ],
        {
            "user_row": ("i", [None]),
            "history_vectors": ("f", [None, HISTORY, DIM]),
            "history_types": ("i", [None, HISTORY]),
        },
        {"user_vector": ("f", [None, DIM])},
        {"axis1": np.array([1], np.int64), "bias": np.full(DIM, 0.1, np.float32)},
        opset=18,
    )


def item_tower() -> bytes:
    return _graph(
        [("Mul", ["text", "content_mask_text"], ["item_vector"], {})],
        {"text": ("f", [None, DIM])},
        {"item_vector": ("f", [None, DIM])},
        {"content_mask_text": np.array([1.0], np.float32)},
        opset=18,
    )


def ranker(poison: float = 0.0) -> bytes:
    """`poison` is multiplied in through 1 / (1 - poison): 1 makes every score infinite."""
    return _graph(
        [
            ("Gather", ["cross", "zero"], ["similarity"], {"axis": 1}),
            ("Gather", ["cross", "four"], ["popular"], {"axis": 1}),
            ("Mul", ["popular", "small"], ["bonus"], {}),
            ("Add", ["similarity", "bonus"], ["sound"], {}),
            ("Div", ["sound", "health"], ["score"], {}),
            ("Add", ["similarity", "three"], ["rating"], {}),
        ],
        {"cross": ("f", [None, 6]), "item_row": ("i", [None]), "user_vector": ("f", [None, DIM])},
        {"score": ("f", [None]), "rating": ("f", [None])},
        {
            "zero": np.array(0, np.int64), "four": np.array(4, np.int64), "small": np.array(0.001, np.float32),
            "three": np.array(3, np.float32), "health": np.array(1 - poison, np.float32),
        },
        opset=18,
    )  # fmt: skip


def _graph(nodes, inputs, outputs, constants, opset) -> bytes:  # type: ignore[no-untyped-def]
    kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT32}

    def values(spec):  # type: ignore[no-untyped-def]
        return [
            helper.make_tensor_value_info(
                name, kinds[kind], ["n" if axis is None else axis for axis in shape]
            )
            for name, (kind, shape) in spec.items()
        ]

    graph = helper.make_graph(
        [helper.make_node(op, given, made, **more) for op, given, made, more in nodes],
        "tiny", values(inputs), values(outputs),
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def probes() -> dict[str, Probe]:
    history = np.zeros((2, HISTORY, DIM), np.float32)
    history[1, -1, 2] = 6.0
    cross = np.arange(12, dtype=np.float32).reshape(2, 6)
    return {
        "user_tower": Probe(
            {
                "user_row": np.zeros(2, np.int32),
                "history_vectors": history,
                "history_types": np.zeros((2, HISTORY), np.int32),
            },
            {"user_vector": np.array([[0.1] * 4, [0.1, 0.1, 1.1, 0.1]], np.float32)},
        ),
        "item_tower": Probe({"text": vectors()[:3]}, {"item_vector": vectors()[:3]}),
        "ranker": Probe(
            {
                "cross": cross,
                "item_row": np.zeros(2, np.int32),
                "user_vector": np.zeros((2, DIM), np.float32),
            },
            {"score": np.array([0.004, 6.010], np.float32), "rating": np.array([3, 9], np.float32)},
        ),
    }


def make_bundle(
    folder: Path,
    version: str = VERSION,
    *,
    rank_by: str = "ranker",
    heads: Sequence[str] = ("score", "rating"),
    ranker_graph: bytes | None = None,
    schema: DatasetSchema = SCHEMA,
    dims: Dims = DIMS,
    encoders: Encoders = NO_ENCODERS,
    carried: Mapping[str, Path] = MappingProxyType({}),
    shares: Mapping[str, float] = MappingProxyType({}),
    proposals: bool = False,
) -> Path:
    """Write `folder/version` and return it; `carried` are exported encoders by modality, `proposals` the parts that a
    bundle may go without.
    """
    catalogue, all_vectors = items(), vectors()
    space = dataclasses.replace(
        FeatureSpace.fit(schema, catalogue, USERS, history=HISTORY), version=version, cross_features=CROSS_1
    )
    tokens, numeric = space.item_inputs(catalogue)
    rows = np.arange(N, dtype=np.int32)
    with BundleWriter(folder, version) as writer:
        space.save(writer.path("features.json"))
        writer.graph("user_tower", user_tower())
        writer.graph("item_tower", item_tower())
        writer.graph("ranker", ranker_graph or ranker())
        writer.items(
            catalogue, schema, tokens=tokens, numeric=numeric,
            embedding_rows=np.where(rows == COLD, 0, rows + 1), popularity=popularity(),
        )  # fmt: skip
        writer.users([user.user_id for user in USERS[1:]])
        writer.vectors(all_vectors)
        FaissIndex.build(all_vectors).save(writer.path("index.faiss"))
        # Row r was taken together with r + 1 (weight 1) and r + 2 (weight 0.5), where there are such rows.
        near = np.stack((rows + 1, rows + 2), 1)
        writer.neighbours(
            np.argsort(-popularity(), kind="stable"),
            np.where(near < N, near, -1),
            np.tile([1.0, 0.5], (N, 1)),
        )
        for modality, exported in carried.items():
            writer.encoder(modality, exported)  # type: ignore[arg-type]
        if proposals:
            propose(writer)
        writer.probes(probes())
        return writer.seal(
            dataset="tiny", schema=schema, dims=dims, encoders=encoders,
            counts=Counts(items=N, users=2, interactions=321), heads=heads,  # type: ignore[arg-type]
            rank_by=rank_by, shares=shares, rating_range=(1.0, 5.0),  # type: ignore[arg-type]
            index=IndexInfo(kind="flat", recall_at_100=1.0), metrics={"next_item": {"ndcg@10": 0.1}},
            # Its vectors are not its item tower's, so that no item is to be computed anew from the store.
            training={"seed": 0, "as_of": 4e9},
        )  # fmt: skip


def propose(writer: BundleWriter) -> None:
    """Row r is like r + 4 (weight 1), implies r + 1 and r + 3 (0.8, 0.2); rows 30 and 31 trended in hours 100 and 99,
    row 32 two days before; the value of row r is r, but not known of rows below 20; red and green are warm.
    """
    rows = np.arange(N, dtype=np.int32)
    for name, steps, weights in (("tfidf", [4], [1.0]), ("rules", [1, 3], [0.8, 0.2])):
        near = rows[:, None] + steps
        writer.table(name, np.where(near < N, near, -1), np.tile(weights, (N, 1)).astype(np.float32))  # type: ignore[arg-type]
    writer.trends(
        Trends(
            np.array([32, 31, 30], np.int32),
            np.array([52, 99, 100], np.int32),
            np.array([9, 2, 2], np.float32),
        )
    )
    writer.value(np.where(rows < 20, np.nan, rows).astype(np.float32))
    writer.tree({"red": "warm", "green": "warm", "blue": "cold", "night owl/🦉": "cold"})


if __name__ == "__main__":
    print(make_bundle(Path(sys.argv[1])))
