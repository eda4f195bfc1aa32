"""Exported encoders whose answers can be computed by hand, in the very form that `embeddings.export` writes.

The text encoder knows three words; each points along an axis of its own, anything else along a fourth. The image
encoder answers the mean colour of a picture.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from embeddings.exported import (
    CANONICAL_TEXT,
    GRAPH,
    IMAGE_CONFIG,
    TEXT_CONFIG,
    TOKENIZER,
    ImageConfig,
    TextConfig,
)
from embeddings.onnx_image import canonical_picture
from embeddings.pictures import Preprocess

WORDS = ("space", "ocean", "love")
SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
TEXT_NAME, IMAGE_NAME = "by-hand:words:0:1", "by-hand:colours:0:1"
MAX_TOKENS = 10
SIZE = 8
PREPROCESS = Preprocess(SIZE, 1.0, "center", "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def write_text_encoder(folder: Path, name: str = TEXT_NAME) -> Path:
    """A folder for `OnnxTextEncoder`: 4-d, windows of 8 words."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / TOKENIZER))
    table = np.zeros((len(vocabulary), len(WORDS) + 1), np.float32)
    for axis, word in enumerate((*WORDS, "[UNK]")):
        table[vocabulary[word], axis] = 1
    _write(
        folder,
        [
            helper.make_node("Gather", ["table", "input_ids"], ["each"]),
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
            helper.make_node("Mul", ["each", "wide"], ["read"]),
            helper.make_node("ReduceSum", ["read", "tokens"], ["sum"], keepdims=0),
            helper.make_node("LpNormalization", ["sum"], ["vector"], axis=1, p=2),
        ],
        {"input_ids": (TensorProto.INT64, 2), "attention_mask": (TensorProto.INT64, 2)},
        table.shape[1],
        {"table": table, "last": np.array([2], np.int64), "tokens": np.array([1], np.int64)},
    )
    known = np.zeros(table.shape[1])
    known[len(WORDS)] = 1  # the canonical text holds none of the three words
    assert not set(CANONICAL_TEXT.lower().split()) & set(WORDS)
    TextConfig(
        name=name,
        dim=table.shape[1],
        precision="fp32",
        canonical=tuple(known),
        max_tokens=MAX_TOKENS,
        pad_token=0,
    ).write(folder / TEXT_CONFIG)
    return folder


def write_image_encoder(folder: Path, name: str = IMAGE_NAME) -> Path:
    """A folder for `OnnxImageEncoder`: red, green and blue at unit length."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(
        folder,
        [
            helper.make_node("ReduceMean", ["pixels", "sides"], ["mean"], keepdims=0),
            helper.make_node("LpNormalization", ["mean"], ["vector"], axis=1, p=2),
        ],
        {"pixels": (TensorProto.FLOAT, (3, SIZE, SIZE))},
        3,
        {"sides": np.array([2, 3], np.int64)},
    )
    mean = PREPROCESS(canonical_picture()).mean(axis=(1, 2))
    ImageConfig(
        name=name, dim=3, precision="fp32", canonical=tuple(mean / np.linalg.norm(mean)), size=SIZE, crop_pct=1.0,
        crop_mode="center", interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1),
    ).write(folder / IMAGE_CONFIG)  # fmt: skip
    return folder


def _write(folder, nodes, inputs, dim, constants):  # type: ignore[no-untyped-def]
    given = [
        helper.make_tensor_value_info(name, kind, ["n", "t"] if shape == 2 else ["n", *shape])
        for name, (kind, shape) in inputs.items()
    ]
    graph = helper.make_graph(
        nodes, "by hand", given, [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", dim])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    (folder / GRAPH).write_bytes(model.SerializeToString())
