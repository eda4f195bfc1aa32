"""From settings to the encoders of a catalogue: by name, by path, aligned, without weights, or none.

On a CPU encoders run as the graphs that they export, in onnxruntime, which takes half the time that torch does for
the same vectors (docs/LOG.md). Exports are kept in a cache folder, so torch is loaded once for each set of weights.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import BundleError, ConfigError, NotReadyError
from embeddings.align import current
from embeddings.device import choose_device
from embeddings.encoder import ImageEncoder, Modality, TextEncoder
from embeddings.export import export
from embeddings.exported import Precision, exported_folder
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from embeddings.image import DEFAULT_MODEL as DEFAULT_IMAGE_MODEL
from embeddings.image import Found, TimmEncoder, find
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.text import DEFAULT_MODEL as DEFAULT_TEXT_MODEL
from embeddings.text import SbertEncoder, name_of
from embeddings.weights import text_weights

AUTO = "auto"
"""The image setting for the network that was aligned with the catalogue, and for a pretrained one before that."""
HASHING = "hashing"
"""The setting for encoders that need no weights; see `embeddings.hashing`."""
NONE = "none"
"""The setting that leaves a modality out."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    A catalogue without a text encoder is hardly multimodal, so missing SBERT weights are a NotReadyError that says
    what to do. Missing image weights mask the modality, with one warning: pictures are welcome, not needed. A
    setting that cannot be right (an unknown name, a path to nothing) is a ConfigError.
    """

    text: str = DEFAULT_TEXT_MODEL
    """A sentence-transformers name, model folder, `local-dir:` folder, `hashing` or `none`."""
    image: str = AUTO
    """`auto`, a timm name, weights file, `name=weights file`, `local-dir:` folder, `hashing` or `none`."""
    data: Path | str | None = None
    """Folder of data sets, which may hold `vit-weights/`; else TOWERBRIDGE_DATA."""
    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    cache: Path | None = None
    """Folder of exported encoders; None runs them in torch everywhere."""
    aligned: Path | None = None
    """Folder of the networks that were aligned with the catalogue."""

    def open_text(self) -> TextEncoder | None:
        """The text encoder, or None where texts are left out."""
        if self.text == NONE:
            return None
        if self.text == HASHING:
            return HashingTextEncoder()
        try:
            if self.cache is not None and choose_device(self.device) == "cpu":
                try:
                    return OnnxTextEncoder.open(exported_text(self.text, self.cache), threads())
                except BundleError as error:
                    log.warning("Texts are read by torch: %s", error)
            return SbertEncoder.open(self.text, self.device)
        except NotReadyError as error:
            raise NotReadyError(
                f'{error} Or set text = "hashing" in [encoders], which needs no weights, or "none".'
            ) from error

    def find_image(self, text_encoder: str | None) -> Found:
        """The network that looks at pictures, by settings other than `hashing` and `none`.

        Args:
            text_encoder: Name of the text encoder: a network that was aligned with another one is not taken.

        Raises:
            NotReadyError: its weights can be had nowhere.
        """
        if self.image != AUTO:
            return find(self.image, self.data)
        found = current(self.aligned) if self.aligned else None
        return found if found and found.text_space == text_encoder else find(DEFAULT_IMAGE_MODEL, self.data)

    def open_image(self, text_encoder: str | None) -> ImageEncoder | None:
        """The image encoder, or None where pictures are left out or, with a warning, weights cannot be had."""
        if self.image == NONE:
            return None
        if self.image == HASHING:
            return HashingImageEncoder()
        try:
            found = self.find_image(text_encoder)
            if self.cache is not None and choose_device(self.device) == "cpu":
                try:
                    return OnnxImageEncoder.open(exported_image(found, self.cache), threads())
                except BundleError as error:
                    log.warning("Pictures are looked at by torch: %s", error)
            return TimmEncoder.load(found, self.device)
        except NotReadyError as error:
            log.warning("Pictures are left out of this run: %s", error)
            return None

    def carried(
        self, names: Mapping[Modality, str | None], text_precision: Precision = "fp32"
    ) -> dict[Modality, Path]:
        """The exported folders that a bundle trained on the vectors of these encoders should carry.

        Encoders without weights need none. One that is neither in the cache nor what is chosen now is left out with
        a warning: such a bundle answers, but reads nothing new.
        """
        assert self.cache is not None, "a bundle carries what was exported"
        folders: dict[Modality, Path] = {}
        for modality, name in names.items():
            if name is None or name.startswith(HASHING):
                continue
            precision = text_precision if modality == "text" else "fp32"
            folder = exported_folder(self.cache, name, precision)
            try:
                if not folder.is_dir() and modality == "text":
                    exported_text(self.text, self.cache, precision)
                elif not folder.is_dir():
                    exported_image(self.find_image(names.get("text")), self.cache)
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


def exported_text(model: str, cache: Path, precision: Precision = "fp32") -> Path:
    """The exported folder of a text model, made now where the cache has none."""
    weights = text_weights(model)
    folder = exported_folder(cache, name_of(weights), precision)
    return folder if folder.is_dir() else export(SbertEncoder.load(weights, "cpu"), cache, precision)


def exported_image(found: Found, cache: Path) -> Path:
    """The same of an image model."""
    folder = exported_folder(cache, found.name)
    return folder if folder.is_dir() else export(TimmEncoder.load(found, "cpu"), cache)


def threads() -> int:
    """How many threads a network on the CPU gets: OMP_NUM_THREADS, else one a core."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(limit) if limit.isdigit() else len(os.sched_getaffinity(0)))
