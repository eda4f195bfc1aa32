"""Bundles that carry the encoders their item tower was trained on."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bundle.manifest import Dims, Encoders
from bundle.reader import Bundle
from catalog.errors import BundleError
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from tests.bundle.make import DIM, HISTORY, make_bundle
from tests.bundle.test_bundle import GOLDEN, resign
from tests.embeddings.by_hand import IMAGE_NAME, TEXT_NAME, write_image_encoder, write_text_encoder

DIMS = Dims(vector=DIM, text=DIM, image=3, history=HISTORY)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {
        "text": write_text_encoder(tmp_path / "text"), "image": write_image_encoder(tmp_path / "image"),
    }  # fmt: skip


@pytest.fixture
def sealed(tmp_path: Path, folders: dict[str, Path]) -> Path:
    names = Encoders(text=TEXT_NAME, image=IMAGE_NAME)
    return make_bundle(tmp_path / "bundles", dims=DIMS, encoders=names, carried=folders)


def test_a_bundle_reads_and_looks(sealed: Path) -> None:
    bundle = Bundle.open(sealed)
    assert bundle.text_encoder is not None
    assert bundle.image_encoder is not None
    text, image = OnnxTextEncoder.open(bundle.text_encoder), OnnxImageEncoder.open(bundle.image_encoder)
    assert (text.name, image.name) == (bundle.manifest.encoders.text, bundle.manifest.encoders.image)
    np.testing.assert_allclose(text.encode_texts(["ocean"])[0], [0, 1, 0, 0], atol=1e-6)
    assert {"text_encoder/model.onnx", "text_encoder/tokenizer.json", "image_encoder/preprocess.json"} <= set(
        bundle.manifest.files
    )


def test_an_export_may_go_once_it_is_carried(sealed: Path, folders: dict[str, Path]) -> None:
    for folder in folders.values():
        for path in folder.iterdir():
            path.unlink()
    text = Bundle.open(sealed).text_encoder
    assert text is not None
    assert OnnxTextEncoder.open(text).dim == DIM


def test_encoders_are_optional() -> None:
    (path,) = GOLDEN.iterdir()
    bundle = Bundle.open(path)
    assert (bundle.text_encoder, bundle.image_encoder) == (None, None)


def test_the_int8_form_of_the_encoder_is_the_encoder(sealed: Path) -> None:
    rename(f"{TEXT_NAME}:int8")(sealed)
    assert Bundle.open(sealed).text_encoder is not None


def rename(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "text_encoder/config.json"
        path.unlink()  # it may be a link to the export
        config = json.loads((folder.parents[1] / "text/config.json").read_text())
        path.write_text(json.dumps(config | {"name": name}))
        resign(folder)

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (rename("sbert:another:0:1"), "expected the encoder by-hand:words:0:1 of 4 numbers .*found 'sbert:another"),
        (lambda folder: resign(folder, lambda m: m["encoders"].update(text=None)), "expected the encoder None"),
        (lambda folder: resign(folder, lambda m: m["dims"].update(text=9)), "of 9 numbers"),
        (lambda folder: (folder / "text_encoder/model.onnx").unlink(), "missing: .*text_encoder/model.onnx"),
        (lambda folder: (folder / "text_encoder/more.json").touch(), "extra: .*text_encoder/more.json"),
    ],
)  # fmt: skip
def test_an_encoder_of_other_vectors_is_refused(
    damage: Callable[[Path], object], said: str, sealed: Path
) -> None:
    damage(sealed)
    with pytest.raises(BundleError, match=said):
        Bundle.open(sealed)
