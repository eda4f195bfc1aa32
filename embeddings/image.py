"""Pictures as unit vectors, by any timm network: ViT by default, ResNet-50 and the rest by name.

The network's own pretrained configuration says how pictures are resized, cropped and normalised; see
`embeddings.pictures`. Knows nothing of where vectors are kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.errors import ConfigError, NotReadyError
from catalog.records import Floats, Item
from embeddings.content import UnreadableError, content_hash, image_bytes
from embeddings.device import FORWARD_BATCH, choose_device
from embeddings.encoder import Modality
from embeddings.pictures import Preprocess, decode
from embeddings.text import unit
from embeddings.torchvision_ops import declare_missing_operators
from embeddings.weights import LOCAL_DIR, Weights, configured, image_weights

if TYPE_CHECKING:
    import torch

DEFAULT_MODEL = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
_VERSION = 1  # of decoding and preprocessing: raise it when either changes the vectors


class ImageEncoder:
    """An `embeddings.encoder.Encoder` on a timm network, without its classifier, that is already loaded."""

    modality: Modality = "image"

    def __init__(
        self, network: torch.nn.Module, preprocess: Preprocess, name: str, dim: int, device: str = "cpu"
    ) -> None:
        self.name = name
        self.dim = dim
        self._network = network
        self.preprocess = preprocess
        self._device = device

    @classmethod
    def open(
        cls, model: str = DEFAULT_MODEL, data: Path | str | None = None, device: str = "auto"
    ) -> ImageEncoder:
        """Load by timm name, `local-dir:` folder, weights file or `name=weights file`.

        A weights file that stands alone must be called `<timm name>.safetensors`. NotReadyError where
        the weights of a name can be had nowhere.
        """
        try:
            import torch

            chosen = choose_device(device)
            declare_missing_operators()
            import timm
        except ImportError as error:
            raise NotReadyError(
                f"the image encoder needs timm, which does not import ({error}): "
                "pip install 'towerbridge[train]'"
            ) from error
        architecture, weights = _find(model, data)
        options: dict[str, Any] = {"pretrained": True, "num_classes": 0}
        if not architecture.startswith(LOCAL_DIR):
            options["pretrained_cfg_overlay"] = {"file": str(weights.path)}
        try:
            with _complete():
                network = timm.create_model(architecture, **options).eval().to(chosen)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            said = str(error).partition("\n")[0]
            raise ConfigError(f"{weights.path} does not load into {architecture}: {said}") from error
        name = f"timm:{weights.name}:{weights.identity()}:{_VERSION}"
        preprocess = _preprocess(timm.data.resolve_model_data_config(network))
        with torch.inference_mode():
            blank = torch.zeros(1, 3, preprocess.size, preprocess.size, device=chosen)
            dim = int(network(blank).shape[1])
        return cls(network, preprocess, name, dim, chosen)

    def content_hash(self, item: Item) -> str | None:
        """Identity of the picture's bytes; None where the item has no picture."""
        return content_hash(item, "image")

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]`; a picture that cannot be read is a zero vector and the reason."""
        # Pillow lets go of the interpreter while it decodes and resizes, so threads are enough here.
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            read = list(pool.map(self._read, items))
        vectors = np.zeros((len(items), self.dim), np.float32)
        rows = [row for row, (pixels, _) in enumerate(read) if pixels is not None]
        if rows:
            vectors[rows] = self.encode_pixels(np.stack([p for p, _ in read if p is not None]))
        return vectors, [reason for _, reason in read]

    def encode_pixels(self, pixels: Floats) -> Floats:
        """Unit vectors `[n, dim]` of preprocessed pictures `[n, 3, size, size]`."""
        import torch

        vectors = np.zeros((len(pixels), self.dim), np.float32)
        step = FORWARD_BATCH[self._device]
        with torch.inference_mode():
            for begin in range(0, len(pixels), step):
                some = torch.from_numpy(pixels[begin : begin + step]).to(self._device)
                vectors[begin : begin + step] = self._network(some).float().cpu().numpy()
        return unit(vectors)

    def _read(self, item: Item) -> tuple[Floats | None, str | None]:
        if not item.image:
            return None, "has no picture"
        try:
            return self.preprocess(decode(image_bytes(item.image))), None
        except UnreadableError as error:
            return None, str(error)


def _find(model: str, data: Path | str | None) -> tuple[str, Weights]:
    """What timm should build, and the weights on this disk to fill it with."""
    import timm

    named, equals, place = model.partition("=")
    if path := configured(place if equals else model):
        if path.is_dir():
            return f"{LOCAL_DIR}{path}", Weights(path, path.resolve().name, "configured")
        architecture = named if equals else path.stem
        if not timm.is_model(architecture):
            raise ConfigError(
                f"image model = {model!r}: {architecture!r} is no timm architecture; name the file "
                "<timm name>.safetensors or write <timm name>=<weights file>"
            )
        return architecture, Weights(path, architecture, "configured")
    if not timm.is_model(named):
        raise ConfigError(f"image model = {model!r}: timm knows no such architecture")
    cfg = timm.get_pretrained_cfg(named)
    # A name without a tag means the architecture's default weights: say which, as the vectors differ.
    tag = f".{cfg.tag}" if cfg is not None and cfg.tag and "." not in named else ""
    full = f"{named}{tag}"
    repository = cfg.hf_hub_id if cfg is not None else None
    if repository == "timm/":
        repository = f"timm/{full}"
    return full, image_weights(full, repository, data)


@contextmanager
def _complete() -> Iterator[None]:
    """Raise ValueError where a network was not filled completely.

    Without its classifier timm loads a network leniently: from a file of another architecture it takes
    nothing, leaves the random start in place and mentions it in its log. So its log is read here.
    """
    notes: list[str] = []
    reader = logging.Handler(logging.INFO)
    reader.emit = lambda record: notes.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("timm.models._builder")
    before = log.level, log.propagate
    log.addHandler(reader)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(reader)
        log.setLevel(before[0])
        log.propagate = before[1]
    for note in notes:
        if note.startswith("Missing keys"):
            raise ValueError(f"{note[:160]}…")


def _preprocess(config: dict[str, Any]) -> Preprocess:
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise ConfigError(f"image networks that read 3 × n × n are supported, not {config['input_size']}")
    return Preprocess(
        size=int(height),
        crop_pct=float(config["crop_pct"]),
        crop_mode=str(config["crop_mode"]),
        interpolation=str(config["interpolation"]),
        mean=_three(config["mean"]),
        std=_three(config["std"]),
    )


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
