"""From two settings to the encoders of a catalogue: by name, by path, without weights, or none.

On a CPU encoders run as the graphs that they export, in onnxruntime, which takes half the time that torch does for
the same vectors (docs/LOG.md). Exports are kept in a cache folder, so torch is loaded once for each set of weights.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from catalog.errors import BundleError, ConfigError, NotReadyError
from embeddings.device import choose_device
from embeddings.encoder import Encoder, Modality
from embeddings.export import export
from embeddings.exported import Precision, exported_folder
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from embeddings.image import DEFAULT_MODEL as DEFAULT_IMAGE_MODEL
from embeddings.image import Found, ImageEncoder, find
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.text import DEFAULT_MODEL as DEFAULT_TEXT_MODEL
from embeddings.text import TextEncoder, name_of
from embeddings.weights import text_weights

HASHING = "hashing"
"""The setting for encoders that need no weights; see `embeddings.hashing`."""
NONE = "none"
"""The setting that leaves a modality out."""

log = logging.getLogger(__name__)


def open_encoders(
    text_model: str = DEFAULT_TEXT_MODEL,
    image_model: str = DEFAULT_IMAGE_MODEL,
    data: Path | str | None = None,
    device: str = "auto",
    cache: Path | None = None,
) -> tuple[Encoder | None, Encoder | None]:
    """The text and the image encoder; None where a modality is left out.

    A catalogue without a text encoder is hardly multimodal, so missing SBERT weights are a NotReadyError
    that says what to do. Missing image weights mask the modality, with one warning: pictures are welcome,
    not needed. A setting that cannot be right (an unknown name, a path to nothing) is a ConfigError.

    Args:
        text_model: A sentence-transformers name, model folder, `local-dir:` folder, `hashing` or `none`.
        image_model: A timm name, weights file, `name=weights file`, `local-dir:` folder, `hashing` or `none`.
        data: Folder of data sets, which may hold `vit-weights/`; else TOWERBRIDGE_DATA.
        device: `auto`, `cpu` or `cuda`.
        cache: Folder of exported encoders; None runs them in torch everywhere.
    """
    return (
        open_text_encoder(text_model, device, cache),
        open_image_encoder(image_model, data, device, cache),
    )


def open_text_encoder(
    model: str = DEFAULT_TEXT_MODEL, device: str = "auto", cache: Path | None = None
) -> Encoder | None:
    """The text encoder of a setting; see `open_encoders`."""
    if model == NONE:
        return None
    if model == HASHING:
        return HashingTextEncoder()
    try:
        if cache is None or choose_device(device) != "cpu":
            return TextEncoder.open(model, device)
        try:
            return OnnxTextEncoder.open(exported_text(model, cache), threads())
        except BundleError as error:
            log.warning("Texts are read by torch: %s", error)
            return TextEncoder.open(model, device)
    except NotReadyError as error:
        raise NotReadyError(
            f'{error} Or set text_model = "hashing", which needs no weights, or "none".'
        ) from error


def open_image_encoder(
    model: str = DEFAULT_IMAGE_MODEL,
    data: Path | str | None = None,
    device: str = "auto",
    cache: Path | None = None,
) -> Encoder | None:
    """The image encoder of a setting, or None with a warning where its weights cannot be had."""
    if model == NONE:
        return None
    if model == HASHING:
        return HashingImageEncoder()
    try:
        found = find(model, data)
        if cache is None or choose_device(device) != "cpu":
            return ImageEncoder.load(found, device)
        try:
            return OnnxImageEncoder.open(exported_image(found, cache), threads())
        except BundleError as error:
            log.warning("Pictures are looked at by torch: %s", error)
            return ImageEncoder.load(found, device)
    except NotReadyError as error:
        log.warning("Pictures are left out of this run: %s", error)
        return None


def exported_text(model: str, cache: Path, precision: Precision = "fp32") -> Path:
    """The exported folder of a text model, made now where the cache has none."""
    weights = text_weights(model)
    folder = exported_folder(cache, name_of(weights), precision)
    return folder if folder.is_dir() else export(TextEncoder.load(weights, "cpu"), cache, precision)


def exported_image(found: Found, cache: Path) -> Path:
    """The same of an image model."""
    folder = exported_folder(cache, found.name)
    return folder if folder.is_dir() else export(ImageEncoder.load(found, "cpu"), cache)


def carried(
    names: Mapping[Modality, str | None],
    text_model: str,
    image_model: str,
    data: Path | str | None,
    cache: Path,
    text_precision: Precision = "fp32",
) -> dict[Modality, Path]:
    """The exported folders that a bundle trained on the vectors of these encoders should carry.

    Encoders without weights need none. One that is neither in the cache nor what the settings name now is left out
    with a warning: such a bundle answers, but reads nothing new.
    """
    folders: dict[Modality, Path] = {}
    for modality, name in names.items():
        if name is None or name.startswith(HASHING):
            continue
        precision = text_precision if modality == "text" else "fp32"
        folder = exported_folder(cache, name, precision)
        try:
            if not folder.is_dir() and modality == "text":
                exported_text(text_model, cache, precision)
            elif not folder.is_dir():
                exported_image(find(image_model, data), cache)
        except (NotReadyError, ConfigError, BundleError) as error:
            log.warning("The bundle goes without its %s encoder: %s", modality, error)
            continue
        if folder.is_dir():
            folders[modality] = folder
        else:
            log.warning(
                "The bundle goes without its %s encoder: it was trained on %s, and the settings name another one",
                modality, name,
            )  # fmt: skip
    return folders


def threads() -> int:
    """How many threads a network on the CPU gets: OMP_NUM_THREADS, else one a core."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(limit) if limit.isdigit() else len(os.sched_getaffinity(0)))
