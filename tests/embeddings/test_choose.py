import logging
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import ConfigError, NotReadyError
from embeddings.choose import Choice
from embeddings.device import choose_device
from embeddings.encoder import Modality
from embeddings.exported import exported_folder
from embeddings.image import TimmEncoder
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder


def test_encoders_without_weights() -> None:
    chosen = Choice("hashing", "hashing")
    text, image = chosen.open_text(), chosen.open_image(None)
    assert text is not None
    assert image is not None
    assert (text.modality, image.modality) == ("text", "image")


def test_none_leaves_a_modality_out() -> None:
    chosen = Choice("none", "none")
    assert (chosen.open_text(), chosen.open_image(None)) == (None, None)


@pytest.mark.train
def test_missing_image_weights_mask_the_modality_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with caplog.at_level(logging.WARNING):
        assert Choice(image="resnet50.tv_in1k", data=tmp_path).open_image(None) is None
    (record,) = caplog.records
    assert record.name == "embeddings.choose"
    assert "Pictures are left out" in record.getMessage()
    assert "resnet50.tv_in1k.safetensors" in record.getMessage()


@pytest.mark.train
def test_missing_text_weights_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NotReadyError, match=r'no weights for a/model.*text = "hashing"'):
        Choice("a/model").open_text()


@pytest.mark.train
def test_a_folder_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a sentence-transformers model folder"):
        Choice(str(tmp_path)).open_text()


@pytest.mark.train
def test_wrong_settings_are_errors_even_for_pictures() -> None:
    with pytest.raises(ConfigError, match="no such file"):
        Choice(image="/no/such.safetensors").open_image(None)


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="auto, cpu, cuda, not 'tpu'"):
        choose_device("tpu")


@pytest.mark.train
def test_cuda_where_there_is_none_is_one_sentence() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        assert choose_device("auto") == choose_device("cuda") == "cuda"
        return
    assert choose_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="no CUDA device"):
        Choice(device="cuda").open_text()


FRAMEWORKS = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "sentence_transformers",
    "onnx",
    "pandas",
    "scipy",
)


def test_importing_loads_no_framework() -> None:
    code = (
        "import sys, embeddings.choose, embeddings.job, embeddings.mongo; "
        f"print([m for m in {FRAMEWORKS} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.train
def test_exported_encoders_read_and_look_without_a_framework(
    onnx_sbert: OnnxTextEncoder, onnx_local: OnnxImageEncoder, exports: Path
) -> None:
    folders = [exported_folder(exports, encoder.name) for encoder in (onnx_sbert, onnx_local)]
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from embeddings.onnx_image import OnnxImageEncoder\n"
        "from embeddings.onnx_text import OnnxTextEncoder\n"
        "text = OnnxTextEncoder.open(Path(sys.argv[1])).encode_texts(['a query'])\n"
        "vectors, reasons = OnnxImageEncoder.open(Path(sys.argv[2])).encode_pictures([b'no picture'])\n"
        "print(text.shape, vectors.shape, reasons[0][:16], "
        f"[m for m in {FRAMEWORKS} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, folders)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(1, 384) (1, 64) is not a picture []"


@pytest.mark.train
def test_on_a_cpu_what_was_exported_is_opened_without_torch(
    onnx_sbert: OnnxTextEncoder, exports: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from embeddings.choose import Choice; "
        "encoder = Choice(device='cpu', cache=Path(sys.argv[1])).open_text(); "
        f"print(encoder.name, [m for m in {FRAMEWORKS} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exports)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == f"{onnx_sbert.name} []", done.stderr


class TestCarried:
    """What a bundle gets."""

    def test_encoders_without_weights_and_masked_ones_need_nothing(self, tmp_path: Path) -> None:
        names: dict[Modality, str | None] = {"text": "hashing-text:256:1", "image": None}
        assert Choice("hashing", "none", cache=tmp_path).carried(names) == {}

    @pytest.mark.train
    def test_what_is_in_the_cache_is_found_and_what_is_not_is_exported(
        self, local_encoder: TimmEncoder, local_model: Path, tmp_path: Path
    ) -> None:
        names: dict[Modality, str | None] = {"text": None, "image": local_encoder.name}
        found = Choice("none", f"local-dir:{local_model}", cache=tmp_path).carried(names)
        assert found == {"image": exported_folder(tmp_path, local_encoder.name)}
        assert OnnxImageEncoder.open(found["image"]).name == local_encoder.name
        # The settings may have moved on: what is in the cache is what counts.
        assert Choice("none", "local-dir:/no/where", cache=tmp_path).carried(names) == found

    @pytest.mark.train
    @pytest.mark.parametrize("setting", ["local-dir:/no/where", "resnet50.tv_in1k", "local"])
    def test_what_cannot_be_had_is_left_out_with_a_warning(
        self, setting: str, local_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        names: dict[Modality, str | None] = {"text": None, "image": "timm:another:0123456789ab:2"}
        setting = f"local-dir:{local_model}" if setting == "local" else setting
        assert Choice("none", setting, tmp_path, cache=tmp_path).carried(names) == {}
        assert "goes without its image encoder" in caplog.text


@pytest.mark.train
def test_opening_local_weights_asks_no_network(data_folder: Path) -> None:
    code = (
        "import socket, warnings\n"
        "warnings.simplefilter('error')\n"
        "def refuse(*args, **kwargs): raise AssertionError(f'network: {args[1:]}')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from embeddings.choose import Choice\n"
        f"chosen = Choice(data={str(data_folder)!r}, device='cpu')\n"
        "print(chosen.open_text().dim, chosen.open_image(None).dim)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "384 192"
    assert done.stderr == "", "no bars, no warnings"
