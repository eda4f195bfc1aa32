"""Exported encoders answer what torch answers, and a folder that would answer otherwise is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.errors import BundleError
from catalog.records import Item, ItemId
from embeddings.export import export
from embeddings.exported import (
    CANONICAL_TEXT,
    GRAPH,
    IMAGE_CONFIG,
    TEXT_CONFIG,
    TOKENIZER,
    ImageConfig,
    TextConfig,
    exported_folder,
    read_config,
)
from embeddings.image import TimmEncoder
from embeddings.onnx_image import OnnxImageEncoder, canonical_picture
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.text import SbertEncoder
from tests.embeddings.pictures import encoded, gradient

pytestmark = pytest.mark.train
TEXTS = [
    "Toy Story (1995). A cowboy doll is threatened by a new spaceman toy.", "Heat", "", "   ", "\u200b",
    "half \ud83d", "مرحبا بالعالم 🙂", "Ein Film über Züge\n\nund noch einer", "日本語の説明文", "a" * 3000,
    "NUL \0 and BEL \a",
    "Two sections.\n\n" + "One more scene. " * 300 + "\n\nAnd a third.", "word " * 20_000,
]  # fmt: skip


def pictures() -> list[bytes]:
    return [
        encoded(gradient(*size), form)
        for size in ((320, 240), (50, 300), (2, 2), (1500, 1100))
        for form in ("PNG", "JPEG")
    ]


class TestText:
    def test_the_graph_answers_what_torch_answers(
        self, sbert: SbertEncoder, onnx_sbert: OnnxTextEncoder
    ) -> None:
        np.testing.assert_allclose(onnx_sbert.encode_texts(TEXTS), sbert.encode_texts(TEXTS), atol=1e-5)
        assert onnx_sbert.name == sbert.name == "sbert:all-minilm-l6-v2:a683a6d1843b:2"
        assert onnx_sbert.dim == 384

    def test_canonical_vectors(self, onnx_sbert: OnnxTextEncoder) -> None:
        vectors = onnx_sbert.encode_texts([CANONICAL_TEXT, "Heat", "مرحبا بالعالم 🙂"])
        expected = [
            [-0.062160, 0.008500, 0.046894, 0.010327, 0.033623],
            [-0.065017, 0.033546, 0.000268, 0.115027, 0.035437],
        ]
        np.testing.assert_allclose(vectors[:2, :5], expected, atol=1e-4)

    def test_items_are_read_alike(self, sbert: SbertEncoder, onnx_sbert: OnnxTextEncoder) -> None:
        items = [Item(ItemId(str(n)), text[:9], text) for n, text in enumerate(TEXTS)]
        (ours, why), (theirs, because) = onnx_sbert.encode(items), sbert.encode(items)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert why == because
        assert [reason is not None for reason in why] == [not vector.any() for vector in ours]

    def test_int8_is_near_and_says_so(self, sbert: SbertEncoder, exports: Path) -> None:
        folder = export(sbert, exports, "int8")
        encoder = OnnxTextEncoder.open(folder)
        assert encoder.name == f"{sbert.name}:int8"
        assert (folder / GRAPH).stat().st_size < 0.3 * (
            exported_folder(exports, sbert.name) / GRAPH
        ).stat().st_size
        texts = [text for text in TEXTS if text.strip(" \u200b")]
        cosines = (encoder.encode_texts(texts) * sbert.encode_texts(texts)).sum(axis=1)
        assert 0.9 < cosines.min() < 0.99999
        assert cosines[:2].min() > 0.97


class TestImage:
    def test_the_graph_answers_what_torch_answers(
        self, local_encoder: TimmEncoder, onnx_local: OnnxImageEncoder
    ) -> None:
        files = [*pictures(), b"no picture", b""]
        (ours, why), (theirs, because) = (each.encode_pictures(files) for each in (onnx_local, local_encoder))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert (
            why
            == because
            == [None] * 8
            + ["is not a picture of a kind that is read (JPEG, PNG, GIF, WEBP, BMP, TIFF)", "is empty"]
        )
        assert onnx_local.name == local_encoder.name

    def test_more_pictures_than_fit_a_run(self, onnx_local: OnnxImageEncoder) -> None:
        files = [encoded(Image.new("RGB", (32, 32), (n * 12, 0, 255 - n * 12)), "PNG") for n in range(19)]
        files[7] = b"broken"
        vectors, reasons = onnx_local.encode_pictures(files)
        assert [n for n, reason in enumerate(reasons) if reason] == [7]
        for row in (0, 8, 18):
            np.testing.assert_allclose(
                vectors[row], onnx_local.encode_pictures([files[row]])[0][0], atol=1e-5
            )

    def test_preprocessing_travels_as_data(
        self, local_encoder: TimmEncoder, onnx_local: OnnxImageEncoder, exports: Path
    ) -> None:
        config = read_config(exported_folder(exports, onnx_local.name) / IMAGE_CONFIG, ImageConfig)
        assert config.preprocess == local_encoder.preprocess
        assert config.mean == (0.1, 0.2, 0.3)
        assert config.text_space is None

    @pytest.mark.realdata
    def test_canonical_vector(self, vit: TimmEncoder, onnx_vit: OnnxImageEncoder) -> None:
        vector = onnx_vit.encode_pictures([encoded(canonical_picture(), "PNG")])[0][0]
        expected = [0.136487, -0.004148, -0.065982, 0.076231, 0.164849]
        np.testing.assert_allclose(vector[:5], expected, atol=2e-4)
        assert onnx_vit.name == vit.name


def test_nothing_is_exported_twice(
    onnx_local: OnnxImageEncoder, local_encoder: TimmEncoder, exports: Path
) -> None:
    folder = exported_folder(exports, onnx_local.name)
    before = (folder / GRAPH).stat().st_mtime_ns
    assert export(local_encoder, exports) == folder
    assert (folder / GRAPH).stat().st_mtime_ns == before
    assert not [path.name for path in exports.iterdir() if path.name.startswith(".")]


def edited(name: str, **values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(document | values))

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (edited(IMAGE_CONFIG, mean=[0.9, 0.9, 0.9]), r"canonical input within 0\.001, found it off by"),
        (edited(IMAGE_CONFIG, crop_mode="border"), "crop_mode is one of"),
        (edited(IMAGE_CONFIG, size=128), "expected pixels of .*model.onnx to be"),
        (edited(IMAGE_CONFIG, dim=65), "expected vector of"),
        (edited(IMAGE_CONFIG, colour="red"), "colour.*Extra inputs"),
        (lambda folder: (folder / IMAGE_CONFIG).unlink(), "No such file"),
        (lambda folder: (folder / GRAPH).write_bytes(b"junk"), "expected an ONNX graph"),
    ],
)
def test_a_folder_that_would_answer_otherwise_is_refused(
    damage: Callable[[Path], None], said: str, onnx_local: OnnxImageEncoder, exports: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported_folder(exports, onnx_local.name), tmp_path / "copy"))
    damage(folder)
    with pytest.raises(BundleError, match=said):
        OnnxImageEncoder.open(folder)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (edited(TEXT_CONFIG, pooling="cls"), "pooling"),
        (edited(TEXT_CONFIG, canonical=[0.5] * 8), "canonical input"),
        (lambda folder: (folder / TOKENIZER).write_text("{}"), "expected a tokenizer"),
        (lambda folder: (folder / GRAPH).unlink(), "expected an ONNX graph"),
    ],
)
def test_the_same_of_texts(
    damage: Callable[[Path], None], said: str, onnx_sbert: OnnxTextEncoder, exports: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in exported_folder(exports, onnx_sbert.name).iterdir():
        (folder / path.name).hardlink_to(path) if path.name == GRAPH else shutil.copy(path, folder)
    damage(folder)
    with pytest.raises(BundleError, match=said):
        OnnxTextEncoder.open(folder)


def test_the_configuration_says_what_serving_must_do(onnx_sbert: OnnxTextEncoder, exports: Path) -> None:
    document = json.loads((exported_folder(exports, onnx_sbert.name) / TEXT_CONFIG).read_text())
    assert read_config(exported_folder(exports, onnx_sbert.name) / TEXT_CONFIG, TextConfig).max_tokens == 256
    assert document["pooling"] == "mean of windows, mean of sections"
    assert (document["precision"], document["normalised"], document["windows"]) == ("fp32", True, 16)
