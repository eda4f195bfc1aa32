"""A small bundle that reads and looks: real texts and pictures, encoders without weights, towers computed by hand.

    python -m tests.bundle.senses FOLDER      writes FOLDER/<version>

Every item has one of four themes, which give it words and a colour. The item tower is a sum: a row of its own per
trained item, the text and the picture each through a fixed projection. The user tower averages the history.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bundle.manifest import Counts, Dims, Encoders, IndexInfo
from bundle.probes import Probe
from bundle.reader import Bundle
from bundle.writer import BundleWriter
from catalog.records import Item, ItemId, User, UserId
from catalog.schema import DatasetSchema
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from index.faiss_index import FaissIndex
from index.words import words_of, write_words
from tests.bundle.make import _graph, probes, ranker
from towers.features import CROSS_1, FeatureSpace

VERSION = "20260203-040506-abcdef"
N, DIM, HISTORY, TEXT, IMAGE = 48, 32, 6, 96, HashingImageEncoder.dim
SILENT, BLIND, HIDDEN = 44, 45, 46
"""Rows of an item without a text, one without a picture, and an unavailable one."""
THEMES = {
    "space": ("rocket planet orbit star galaxy astronaut moon", (20, 20, 90)),
    "cooking": ("kitchen soup garlic oven recipe bread butter", (230, 160, 40)),
    "horror": ("ghost scream blood night haunted cellar grave", (90, 0, 0)),
    "football": ("goal stadium striker referee league penalty ball", (30, 160, 60)),
}
SCHEMA = DatasetSchema.model_validate({
    "name": "senses",
    "items": {"theme": {"kind": "categorical"}, "tags": {"kind": "multi"}, "year": {"kind": "numeric"}},
    "users": {"age": {"kind": "numeric"}, "job": {"kind": "categorical"}},
    "interactions": {
        "rating": {"value": True, "minimum": 1, "maximum": 5, "positive_from": 4},
        "click": {"weight": 0.5},
    },
    "category": "theme",
})  # fmt: skip
USERS = [User(UserId(f"u{i}"), {"age": 20.0 + i, "job": "cook"}) for i in range(4)]


def theme(row: int) -> str:
    """The theme of a row: they take turns."""
    return list(THEMES)[row % 4]


def picture(color: tuple[int, int, int], stripe: int = 0, form: str = "PNG", **options: object) -> bytes:
    """A square of a colour with a white and a grey stripe, as a file."""
    pixels = np.full((24, 24, 3), color, np.uint8)
    pixels[:, stripe % 24] = 255
    pixels[stripe // 24 % 24] = 128
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def data_uri(data: bytes, kind: str = "image/png") -> str:
    """Bytes as a data: URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def item(row: int) -> Item:
    """The item of a row; rows beyond the bundle's are new items of the same kind."""
    words, color = THEMES[theme(row)]
    chosen = np.random.default_rng(row).permutation(words.split())
    return Item(
        ItemId(f"i{row}"),
        "" if row == SILENT else f"The {chosen[0]} {chosen[1]} q{row}",
        "" if row == SILENT else " ".join(chosen[2:]),
        None if row == BLIND else data_uri(picture(color, row)),
        {"theme": theme(row), "tags": ("x", f"t{row % 3}"), "year": 1990.0 + row},
        available=row != HIDDEN,
    )


def weights() -> dict[str, np.ndarray]:
    """What the item tower is made of: `ids [N + 1, DIM]`, `text [TEXT, DIM]`, `image [IMAGE, DIM]`."""
    rng = np.random.default_rng(3)
    ids = (rng.normal(size=(N + 1, DIM)) * 0.05).astype(np.float32)
    ids[0] = 0
    # Themes are what users of the tests like, so ids of one theme are alike, as trained ones are.
    ids[1:] += rng.normal(size=(4, DIM)).astype(np.float32)[np.arange(N) % 4] * 0.1
    return {
        "ids": ids,
        "text": rng.normal(size=(TEXT, DIM)).astype(np.float32) / 5,
        "image": rng.normal(size=(IMAGE, DIM)).astype(np.float32) / 5,
    }


def item_tower() -> bytes:
    """`ids[item_row] + mask · (text · T) + mask · (image · I)`."""
    return _graph(
        [
            ("Gather", ["ids", "item_row"], ["id_part"], {"axis": 0}),
            ("MatMul", ["text", "text_weights"], ["text_all"], {}),
            ("MatMul", ["image", "image_weights"], ["image_all"], {}),
            ("Slice", ["content_mask", "zero", "one", "axis"], ["text_mask"], {}),
            ("Slice", ["content_mask", "one", "two", "axis"], ["image_mask"], {}),
            ("Mul", ["text_all", "text_mask"], ["text_part"], {}),
            ("Mul", ["image_all", "image_mask"], ["image_part"], {}),
            ("Add", ["id_part", "text_part"], ["both"], {}),
            ("Add", ["both", "image_part"], ["item_vector"], {}),
        ],
        {
            "item_row": ("i", [None]), "text": ("f", [None, TEXT]), "image": ("f", [None, IMAGE]),
            "content_mask": ("f", [None, 2]),
        },
        {"item_vector": ("f", [None, DIM])},
        {
            "ids": weights()["ids"], "text_weights": weights()["text"], "image_weights": weights()["image"],
            "zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "axis": np.array([1]),
        },
        opset=18,
    )  # fmt: skip


def user_tower() -> bytes:
    """Three times the mean over the places of the history, and something for strangers."""
    return _graph(
        [
            ("ReduceSum", ["history_vectors", "axis1"], ["sum"], {"keepdims": 0}),
            ("Mul", ["sum", "half"], ["mean"], {}),
            ("Add", ["mean", "bias"], ["user_vector"], {}),
        ],
        {"history_vectors": ("f", [None, HISTORY, DIM])},
        {"user_vector": ("f", [None, DIM])},
        {
            "axis1": np.array([1], np.int64), "half": np.array(0.5, np.float32),
            "bias": np.full(DIM, 0.01, np.float32),
        },
        opset=18,
    )  # fmt: skip


def content(listed: Sequence[Item] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Text and image vectors and the mask of all items, as the encoders make them."""
    listed = listed or [item(row) for row in range(N)]
    text, no_text = HashingTextEncoder(TEXT).encode(listed)
    image, no_image = HashingImageEncoder().encode(listed)
    mask = np.array([[a is None, b is None] for a, b in zip(no_text, no_image, strict=True)])
    return text, image, mask


def make_sensing_bundle(
    folder: Path, version: str = VERSION, *, with_content: bool = True, alike: int = 0,
    listed: Sequence[Item] | None = None, schema: DatasetSchema = SCHEMA,
    further: Callable[[BundleWriter], None] | None = None,
) -> Path:  # fmt: skip
    """Write `folder/version` and return it; `alike` is the width of its table of items alike, which is left empty.

    `listed` are N items instead of the usual ones, `further` writes what else there is to be.
    """
    listed = listed or [item(row) for row in range(N)]
    space = dataclasses.replace(
        FeatureSpace.fit(schema, listed, USERS, history=HISTORY), version=version, cross_features=CROSS_1
    )
    tokens, numeric = space.item_inputs(listed)
    text, image, mask = content(listed)
    rows = np.arange(N, dtype=np.int32)
    feeds = {
        "item_row": rows + 1, "text": text, "image": image, "content_mask": mask.astype(np.float32),
    }  # fmt: skip
    parts = weights()
    vectors = parts["ids"][1:] + text @ parts["text"] + image @ parts["image"]
    history = np.random.default_rng(0).normal(size=(2, HISTORY, DIM)).astype(np.float32)
    popularity = (100.0 - rows).astype(np.float32)
    with BundleWriter(folder, version) as writer:
        space.save(writer.path("features.json"))
        writer.graph("user_tower", user_tower())
        writer.graph("item_tower", item_tower())
        writer.graph("ranker", ranker_of_width())
        writer.items(
            listed, schema, tokens=tokens, numeric=numeric, embedding_rows=rows + 1, popularity=popularity
        )
        write_words(writer.path("words/vocabulary.bin").parent, map(words_of, listed))
        writer.users([user.user_id for user in USERS])
        writer.vectors(vectors)
        if with_content:
            writer.content(text, image, mask)
        FaissIndex.build(vectors).save(writer.path("index.faiss"))
        # Items of one theme were taken together: row r with r + 4 and r + 8, where there are such rows.
        near = np.stack((rows + 4, rows + 8), 1)
        writer.neighbours(rows, np.where(near < N, near, -1), np.tile([1.0, 0.5], (N, 1)))
        if alike:
            writer.table("alike", np.full((N, alike), -1), np.zeros((N, alike), np.float32))
        if further is not None:
            further(writer)
        ranked = probes()["ranker"]
        writer.probes({
            "user_tower": Probe(
                {"history_vectors": history}, {"user_vector": (history.sum(1) * 0.5 + 0.01).astype(np.float32)}
            ),
            "item_tower": Probe(feeds, {"item_vector": vectors}),
            "ranker": Probe(
                {**ranked.inputs, "user_vector": np.zeros((2, DIM), np.float32)}, ranked.outputs
            ),
        })  # fmt: skip
        return writer.seal(
            dataset=schema.name, schema=schema, dims=Dims(vector=DIM, text=TEXT, image=IMAGE, history=HISTORY),
            counts=Counts(items=N, users=len(USERS), interactions=100), heads=("score", "rating"),
            rank_by="ranker", rating_range=(1.0, 5.0), index=IndexInfo(kind="flat", recall_at_100=1.0),
            encoders=Encoders(text=HashingTextEncoder(TEXT).name, image=HashingImageEncoder.name),
            training={"as_of": 0.0},
        )  # fmt: skip


def ranker_of_width() -> bytes:
    """The ranker of `tests.bundle.make`, whose user vector is of this bundle's width."""
    import onnx

    model = onnx.load_from_string(ranker())
    for given in model.graph.input:
        if given.name == "user_vector":
            given.type.tensor_type.shape.dim[1].dim_value = DIM
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    print(Bundle.open(make_sensing_bundle(Path(sys.argv[1]))).replay_probes())
