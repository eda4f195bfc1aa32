"""Pictures as unit vectors, by any timm network: ViT by default, ResNet-50 and the rest by name.

The network's own pretrained configuration says how pictures are resized, cropped and normalised; see
`embeddings.pictures`. Knows nothing of where vectors are kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import ConfigError, NotReadyError
from catalog.records import Floats, Item
from embeddings.content import content_hash
from embeddings.decoding import Decoder
from embeddings.device import FORWARD_BATCH, choose_device
from embeddings.encoder import Modality
from embeddings.pictures import Preprocess
from embeddings.torchvision_ops import declare_missing_operators
from embeddings.vectors import unit
from embeddings.weights import LOCAL_DIR, Weights, configured, image_weights

if TYPE_CHECKING:
    import torch

DEFAULT_MODEL = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
ALIGNED = "aligned_with"
"""Key of a model folder's `config.json`: the text encoder in whose space its vectors lie."""
_VERSION = 2  # of decoding and preprocessing: raise it when either changes the vectors


class TimmEncoder:
    """An `embeddings.encoder.ImageEncoder` on a timm network that is already loaded, without its classifier."""

    modality: Modality = "image"

    def __init__(
        self,
        network: torch.nn.Module,
        preprocess: Preprocess,
        name: str,
        dim: int,
        device: str = "cpu",
        text_space: str | None = None,
    ) -> None:
        self.name = name
        self.dim = dim
        self.network = network
        self.preprocess = preprocess
        self.text_space = text_space
        self._device = device
        self._decoder = Decoder.beside(preprocess, device)

    @classmethod
    def open(
        cls, model: str = DEFAULT_MODEL, data: Path | str | None = None, device: str = "auto"
    ) -> TimmEncoder:
        """Load by timm name, `local-dir:` folder, weights file or `name=weights file`.

        A weights file that stands alone must be called `<timm name>.safetensors`. NotReadyError where
        the weights of a name can be had nowhere.
        """
        return cls.load(find(model, data), device)

    @classmethod
    def load(cls, found: Found, device: str = "auto") -> TimmEncoder:
        """Load weights that are on this disk, without asking the hub anything."""
        timm = import_timm()
        import torch

        chosen = choose_device(device)
        options: dict[str, Any] = {"pretrained": True}
        if found.text_space is None:
            options["num_classes"] = 0  # an aligned network's head is its way into the shared space
        if not found.architecture.startswith(LOCAL_DIR):
            options["pretrained_cfg_overlay"] = {"file": str(found.weights.path)}
        try:
            with _complete():
                network = timm.create_model(found.architecture, **options).eval().to(chosen)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            said = str(error).partition("\n")[0]
            raise ConfigError(
                f"{found.weights.path} does not load into {found.architecture}: {said}"
            ) from error
        preprocess = preprocess_of(timm.data.resolve_model_data_config(network))
        with torch.inference_mode():
            blank = torch.zeros(1, 3, preprocess.size, preprocess.size, device=chosen)
            dim = int(network(blank).shape[1])
        return cls(network, preprocess, found.name, dim, chosen, found.text_space)

    def content_hash(self, item: Item) -> str | None:
        """Identity of the picture's bytes; None where the item has no picture."""
        return content_hash(item, "image")

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]`; a picture that cannot be read is a zero vector and the reason."""
        sources = [item.image or None for item in items]
        return self._decoder.vectors(sources, self.dim, FORWARD_BATCH[self._device], self.encode_pixels)

    def encode_pictures(self, pictures: Sequence[bytes]) -> tuple[Floats, list[str | None]]:
        """The same of picture files."""
        return self._decoder.vectors(pictures, self.dim, FORWARD_BATCH[self._device], self.encode_pixels)

    def encode_pixels(self, pixels: Floats) -> Floats:
        """Unit vectors `[n, dim]` of normalised pictures `[n, 3, size, size]`, all in one forward pass."""
        import torch

        with torch.inference_mode():
            found = self.network(torch.from_numpy(pixels).to(self._device))
        return unit(found.float().cpu().numpy())


@dataclass(frozen=True, slots=True)
class Found:
    """A network that can be loaded from this disk."""

    architecture: str
    """What timm is asked to build."""
    weights: Weights
    name: str
    """The encoder's, which follows from the weights."""
    text_space: str | None = None
    """The text encoder with which it was aligned, if it was."""


def find(model: str, data: Path | str | None = None) -> Found:
    """What a model setting means, without loading it; see `TimmEncoder.open`."""
    architecture, weights = _find(model, data)
    name = f"timm:{weights.name}:{weights.identity()}:{_VERSION}"
    return Found(architecture, weights, name, settings_of(weights.path).get(ALIGNED))


def import_timm() -> Any:
    """timm, with what torchvision may lack; NotReadyError where it is not installed."""
    try:
        declare_missing_operators()
        import timm
    except ImportError as error:
        raise NotReadyError(
            f"the image encoder needs timm, which does not import ({error}): pip install 'towerbridge[train]'"
        ) from error
    return timm


def settings_of(path: Path) -> dict[str, Any]:
    """What the `config.json` of a model folder says; empty where there is none."""
    try:
        document = json.loads((path / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _find(model: str, data: Path | str | None) -> tuple[str, Weights]:
    """What timm should build, and the weights on this disk to fill it with."""
    named, equals, place = model.partition("=")
    path = configured(place if equals else model)
    if path and path.is_dir():  # timm need not be imported to know what it is
        return f"{LOCAL_DIR}{path}", Weights(path, path.resolve().name, "configured")
    timm = import_timm()
    if path:
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


def preprocess_of(config: dict[str, Any]) -> Preprocess:
    """What timm's data configuration of a network says; ConfigError where pictures are not square RGB."""
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
