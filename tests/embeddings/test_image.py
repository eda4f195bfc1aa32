from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.errors import ConfigError, NotReadyError
from catalog.records import Item, ItemId
from embeddings.image import DEFAULT_MODEL, TimmEncoder
from tests.embeddings.pictures import encoded, gradient, png_header

pytestmark = pytest.mark.train


@pytest.mark.realdata
class TestViT:
    def test_canonical_vector(self, vit: TimmEncoder) -> None:
        vector = vit.encode_pixels(vit.preprocess(gradient())[None])[0]
        expected = [0.136487, -0.004148, -0.065982, 0.076231, 0.164849]
        np.testing.assert_allclose(vector[:5], expected, atol=2e-4)
        assert vit.name == f"timm:{DEFAULT_MODEL}:a22e9b3685d1:2"
        assert vit.dim == 192

    def test_preprocess_comes_with_the_weights(self, vit: TimmEncoder) -> None:
        half = (0.5, 0.5, 0.5)
        read = vit.preprocess
        assert (read.size, read.crop_pct, read.interpolation, read.mean, read.std) == (
            224, 0.9, "bicubic", half, half,
        )  # fmt: skip

    def test_the_same_picture_in_other_files(self, vit: TimmEncoder, tmp_path: Path) -> None:
        picture = gradient()
        picture.save(tmp_path / "a.png")
        picture.convert("CMYK").save(tmp_path / "b.jpg", quality=95)
        picture.convert("RGBA").save(tmp_path / "c.webp", lossless=True)
        items = [Item(ItemId(name), image=str(tmp_path / name)) for name in ("a.png", "b.jpg", "c.webp")]
        vectors, reasons = vit.encode(items)
        assert reasons == [None, None, None]
        assert (vectors @ vectors[0]).min() > 0.97

    def test_bad_pictures_do_not_disturb_good_ones(self, vit: TimmEncoder, tmp_path: Path) -> None:
        files = {
            "good.png": encoded(gradient(), "PNG"),
            "text.jpg": b"I am a text file",
            "half.jpg": encoded(gradient(), "JPEG")[:3000],
            "bomb.png": png_header(8000, 5000),
            "dot.gif": encoded(Image.new("RGB", (1, 1)), "GIF"),
        }
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        items = [Item(ItemId(name), image=str(tmp_path / name)) for name in [*files, "missing.png"]]
        vectors, reasons = vit.encode(items)
        read = [reason is None for reason in reasons]
        assert read == [True, False, False, False, True, False]
        assert vectors.any(axis=1).tolist() == read
        np.testing.assert_allclose(vectors[0], vit.encode(items[:1])[0][0], atol=1e-5)


def test_a_local_folder_brings_its_own_preprocessing(local_model: Path) -> None:
    encoder = TimmEncoder.open(f"local-dir:{local_model}", device="cpu")
    assert encoder.dim == 64
    assert (encoder.preprocess.size, encoder.preprocess.crop_pct) == (160, 0.95)
    assert encoder.preprocess.mean == (0.1, 0.2, 0.3)


def test_a_weights_file_and_an_architecture(local_model: Path, tmp_path: Path) -> None:
    weights = local_model / "model.safetensors"
    named = tmp_path / "test_vit.safetensors"
    named.write_bytes(weights.read_bytes())
    item = Item(ItemId("1"), image=str(tmp_path / "a.png"))
    gradient(80, 80).save(tmp_path / "a.png")
    first, second = (TimmEncoder.open(model, device="cpu") for model in (str(named), f"test_vit={weights}"))
    assert first.name == second.name
    np.testing.assert_array_equal(first.encode([item])[0], second.encode([item])[0])


def test_resnet50_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from embeddings.torchvision_ops import declare_missing_operators

    declare_missing_operators()
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    folder = tmp_path / "vit-weights"
    folder.mkdir()
    network = timm.create_model("resnet50")
    cfg = network.pretrained_cfg
    save_file(network.state_dict(), str(folder / f"resnet50.{cfg['tag']}.safetensors"))
    encoder = TimmEncoder.open("resnet50", data=tmp_path, device="cpu")
    assert encoder.dim == 2048
    assert encoder.name.startswith(f"timm:resnet50.{cfg['tag']}:")
    assert encoder.preprocess.mean == cfg["mean"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("vit_of_dreams", "knows no such architecture"),
        ("local-dir:/no/such/folder", "no such folder"),
        ("/no/such/vit.safetensors", "no such file or folder"),
    ],
)
def test_impossible_settings_are_one_sentence(model: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TimmEncoder.open(model)


def test_weights_of_another_network_do_not_load(local_model: Path) -> None:
    with pytest.raises(ConfigError, match="does not load into resnet18"):
        TimmEncoder.open(f"resnet18={local_model / 'model.safetensors'}")


def test_a_file_that_names_no_architecture(local_model: Path) -> None:
    with pytest.raises(ConfigError, match="'model' is no timm architecture"):
        TimmEncoder.open(str(local_model / "model.safetensors"))


def test_no_weights_anywhere_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NotReadyError, match=r"no such file.*HF_HUB_OFFLINE.*vit-weights/ of the data folder"):
        TimmEncoder.open("resnet50.tv_in1k", data=tmp_path)
