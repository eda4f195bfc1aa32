"""Encoders that need no weights: hashed words for text, colours and edges for pictures.

They know no meaning, but texts that share words and pictures that look alike come out close, the same on
every machine. Good enough for a first run on a machine with nothing installed, and quick enough for tests.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalog.records import Floats, Item
from embeddings.content import UnreadableError, content_hash, image_bytes, item_text
from embeddings.encoder import Modality
from embeddings.pictures import seen

Thing = TypeVar("Thing")
_WORD = re.compile(r"\w+")
_SHORT_WORD = 3
_MAX_CHARACTERS = 64_000
_CELLS = 4
_DIRECTIONS = 8
_SIDE = 32


class HashingTextEncoder:
    """Words, pairs of neighbouring words and pieces of words, each hashed to a signed place of the vector."""

    modality: Modality = "text"

    def __init__(self, dim: int = 256) -> None:
        self.dim = dim
        self.name = f"hashing-text:{dim}:1"

    def content_hash(self, item: Item) -> str | None:
        """Identity of title and text; None where both are empty."""
        return content_hash(item, "text")

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]`; an item without a single letter or digit is a zero vector and a reason."""
        vectors = self.encode_texts([item_text(item) for item in items])
        return vectors, [None if vector.any() else "has no words" for vector in vectors]

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors `[n, dim]` of plain texts; zero where one has no words."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        return vectors

    def _vector(self, text: str) -> NDArray[np.float64]:
        vector = np.zeros(self.dim)
        for (feature, weight), count in Counter(_features(text[:_MAX_CHARACTERS].lower())).items():
            place = crc32(feature.encode())
            # A sign from a bit that does not choose the place: collisions cancel out on average.
            vector[place % self.dim] += (1 if place >> 31 else -1) * weight * (1 + np.log(count))
        norm = np.linalg.norm(vector)
        return vector / norm if norm > 0 else vector


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Features of a text with their weights; short words count little, as most of them say little."""
    words: list[str] = _WORD.findall(text)
    for word in words:
        yield word, 1.0 if len(word) > _SHORT_WORD else 0.25
        if len(word) > _SHORT_WORD:
            marked = f"<{word}>"
            for begin in range(len(marked) - 3):
                yield marked[begin : begin + 4], 0.4
    for first, second in pairwise(words):
        yield f"{first} {second}", 0.5


class HashingImageEncoder:
    """A colour histogram, the colours of a 4 × 4 grid and the edge directions in each of its cells."""

    modality: Modality = "image"
    dim = 64 + 3 * _CELLS**2 + _DIRECTIONS * _CELLS**2
    name = f"hashing-image:{dim}:1"

    def content_hash(self, item: Item) -> str | None:
        """Identity of the picture's bytes; None where the item has no picture."""
        return content_hash(item, "image")

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]`; a picture that cannot be read is a zero vector and the reason."""
        return self._described(items, _picture_of)

    def encode_pictures(self, pictures: Sequence[bytes]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]` of picture files, and per file the reason where it cannot be read."""
        return self._described(pictures, bytes)

    def _described(
        self, things: Sequence[Thing], read: Callable[[Thing], bytes]
    ) -> tuple[Floats, list[str | None]]:
        vectors = np.zeros((len(things), self.dim), np.float32)
        reasons: list[str | None] = []
        for row, thing in enumerate(things):
            try:
                vectors[row] = seen(read(thing), describe)
                reasons.append(None)
            except UnreadableError as error:
                reasons.append(str(error))
        return vectors, reasons


def _picture_of(item: Item) -> bytes:
    if not item.image:
        raise UnreadableError("has no picture")
    return image_bytes(item.image)


def describe(picture: Image.Image) -> Floats:
    """The unit descriptor `[240]` of an RGB picture: histogram, grid and edges, a third each."""
    pixels = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
    levels = (pixels // 64).astype(np.int64)
    codes = levels[..., 0] * 16 + levels[..., 1] * 4 + levels[..., 2]
    histogram = np.sqrt(np.bincount(codes.ravel(), minlength=64) / codes.size)
    grid = (_cells(pixels).mean(axis=1) / 255 - 0.5).ravel()

    down, right = np.gradient(pixels.mean(axis=2))
    strength = np.hypot(down, right)
    direction = (np.arctan2(down, right) % np.pi * (_DIRECTIONS / np.pi)).astype(np.int64) % _DIRECTIONS
    edges = np.zeros((_SIDE, _SIDE, _DIRECTIONS))
    np.put_along_axis(edges, direction[..., None], strength[..., None], axis=2)
    turns = _cells(edges).sum(axis=1).ravel()

    parts = [part / norm if (norm := np.linalg.norm(part)) > 0 else part for part in (histogram, grid, turns)]
    whole = np.concatenate(parts)
    unit: Floats = (whole / np.linalg.norm(whole)).astype(np.float32)
    return unit


def _cells(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """`[side, side, channels]` as `[cells², pixels of a cell, channels]`."""
    step = _SIDE // _CELLS
    split = values.reshape(_CELLS, step, _CELLS, step, -1).swapaxes(1, 2)
    return split.reshape(_CELLS**2, step**2, -1)
