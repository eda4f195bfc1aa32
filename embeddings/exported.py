"""What an exported encoder says of itself: the JSON file beside its graph, and the vector that proves it.

Such a folder is everything that a process needs to encode, without torch. It is written by `embeddings.export`, read
by `embeddings.onnx_text` and `embeddings.onnx_image`, and travels in the bundle as it is. Every folder says what
the first numbers of one known vector are: a graph, tokenizer or picture library that answers otherwise is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.errors import BundleError, ConfigError
from catalog.records import Floats
from embeddings.pictures import Preprocess
from embeddings.windows import MAX_CHARACTERS, MAX_SECTIONS, MAX_WINDOWS

GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"
TEXT_CONFIG = "config.json"
IMAGE_CONFIG = "preprocess.json"
Precision = Literal["fp32", "int8"]
INT8_SUFFIX = ":int8"
"""Ends the name of an encoder whose vectors are near those of the name before it, and not equal."""
CANONICAL_TEXT = "Toy Story (1995). A cowboy doll is threatened by a new spaceman toy."
CANONICAL_NUMBERS = 8
TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "int8": 5e-2}
"""Largest difference to the canonical vector; how int8 rounds depends on the processor."""


def exported_folder(cache: Path, name: str, precision: Precision = "fp32") -> Path:
    """Where the export of an encoder is kept; it is whole where it exists."""
    suffix = INT8_SUFFIX if precision == "int8" else ""
    return cache / re.sub(r"[^A-Za-z0-9.-]+", "_", name + suffix)


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Identity of weights, preprocessing and precision: equal names promise equal vectors."""
    dim: int = Field(ge=1)
    precision: Precision
    normalised: Literal[True] = True
    canonical: tuple[float, ...] = Field(min_length=1, max_length=CANONICAL_NUMBERS)
    """The first numbers of the vector of `CANONICAL_TEXT`, or of `canonical_picture`."""

    def write(self, path: Path) -> Self:
        """Write the file; returns the configuration."""
        path.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")
        return self

    def check(self, vector: Floats, folder: Path) -> None:
        """Hold what the encoder answers now to what it answered when it was exported."""
        drift = float(np.abs(vector[: len(self.canonical)] - np.array(self.canonical)).max())
        if not drift <= TOLERANCE[self.precision]:
            raise BundleError(
                f"expected the encoder in {folder} to answer its canonical input within {TOLERANCE[self.precision]}, "
                f"found it off by {drift:.3g}: a library here reads texts or pictures otherwise than where it was "
                "exported; install those versions, or remove the folder (build a bundle again) to export it anew"
            )


class TextConfig(_Config):
    """`config.json` of a text encoder."""

    max_tokens: int = Field(ge=3)
    """Tokens that the graph reads at once, with those that begin and end a sequence."""
    pad_token: int = Field(ge=0)
    pooling: Literal["mean of windows, mean of sections"] = "mean of windows, mean of sections"
    sections: Literal[3] = MAX_SECTIONS
    windows: Literal[16] = MAX_WINDOWS
    characters: Literal[64_000] = MAX_CHARACTERS


class ImageConfig(_Config):
    """`preprocess.json` of an image encoder."""

    size: int = Field(ge=1, le=4096)
    crop_pct: float = Field(gt=0, le=1)
    crop_mode: str
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    text_space: str | None = None
    """Name of the text encoder in whose space the pictures lie, where it was aligned with one."""

    @property
    def preprocess(self) -> Preprocess:
        """What to do with a picture before the graph sees it."""
        return Preprocess(self.size, self.crop_pct, self.crop_mode, self.interpolation, self.mean, self.std)


Kind = TypeVar("Kind", bound=_Config)


def read_config(path: Path, kind: type[Kind]) -> Kind:
    """Read the JSON of an exported encoder.

    Raises:
        BundleError: there is none, or it says something that this version does not know.
    """
    try:
        config = kind.model_validate_json(path.read_bytes())
        if isinstance(config, ImageConfig):
            assert config.preprocess
        return config
    except (OSError, ValidationError, ConfigError) as error:
        said = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else error
        raise BundleError(
            f"expected an exported encoder in {path.parent}, found in {path.name}: {said}; export it again"
        ) from error
