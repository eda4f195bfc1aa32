import logging
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import ConfigError, NotReadyError
from embeddings.choose import open_encoders, open_image_encoder, open_text_encoder
from embeddings.device import choose_device


def test_encoders_without_weights() -> None:
    text, image = open_encoders("hashing", "hashing")
    assert text is not None
    assert image is not None
    assert (text.modality, image.modality) == ("text", "image")


def test_none_leaves_a_modality_out() -> None:
    assert open_encoders("none", "none") == (None, None)


@pytest.mark.train
def test_missing_image_weights_mask_the_modality_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with caplog.at_level(logging.WARNING):
        assert open_image_encoder("resnet50.tv_in1k", tmp_path) is None
    (record,) = caplog.records
    assert record.name == "embeddings.choose"
    assert "Pictures are left out" in record.getMessage()
    assert "resnet50.tv_in1k.safetensors" in record.getMessage()


@pytest.mark.train
def test_missing_text_weights_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NotReadyError, match=r'no weights for a/model.*text_model = "hashing"'):
        open_text_encoder("a/model")


@pytest.mark.train
def test_a_folder_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a sentence-transformers model folder"):
        open_text_encoder(str(tmp_path))


@pytest.mark.train
def test_wrong_settings_are_errors_even_for_pictures() -> None:
    with pytest.raises(ConfigError, match="no such file"):
        open_image_encoder("/no/such.safetensors")


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
        open_text_encoder(device="cuda")


def test_importing_loads_no_framework() -> None:
    code = (
        "import sys, embeddings.choose, embeddings.job, embeddings.mongo; "
        "print([m for m in ('torch', 'timm', 'transformers', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.train
def test_opening_local_weights_asks_no_network(data_folder: Path) -> None:
    code = (
        "import socket, warnings\n"
        "warnings.simplefilter('error')\n"
        "def refuse(*args, **kwargs): raise AssertionError(f'network: {args[1:]}')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from embeddings.choose import open_encoders\n"
        f"print(*(encoder.dim for encoder in open_encoders(data={str(data_folder)!r}, device='cpu')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "384 192"
    assert done.stderr == "", "no bars, no warnings"
