"""From two settings to the encoders of a catalogue: by name, by path, without weights, or none."""

from __future__ import annotations

import logging
from pathlib import Path

from catalog.errors import NotReadyError
from embeddings.encoder import Encoder
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from embeddings.image import DEFAULT_MODEL as DEFAULT_IMAGE_MODEL
from embeddings.image import ImageEncoder
from embeddings.text import DEFAULT_MODEL as DEFAULT_TEXT_MODEL
from embeddings.text import TextEncoder

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
    """
    return open_text_encoder(text_model, device), open_image_encoder(image_model, data, device)


def open_text_encoder(model: str = DEFAULT_TEXT_MODEL, device: str = "auto") -> Encoder | None:
    """The text encoder of a setting; see `open_encoders`."""
    if model == NONE:
        return None
    if model == HASHING:
        return HashingTextEncoder()
    try:
        return TextEncoder.open(model, device)
    except NotReadyError as error:
        raise NotReadyError(
            f'{error} Or set text_model = "hashing", which needs no weights, or "none".'
        ) from error


def open_image_encoder(
    model: str = DEFAULT_IMAGE_MODEL, data: Path | str | None = None, device: str = "auto"
) -> Encoder | None:
    """The image encoder of a setting, or None with a warning where its weights cannot be had."""
    if model == NONE:
        return None
    if model == HASHING:
        return HashingImageEncoder()
    try:
        return ImageEncoder.open(model, data, device)
    except NotReadyError as error:
        log.warning("Pictures are left out of this run: %s", error)
        return None
