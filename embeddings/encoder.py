"""What the embedding job, the bundle and serving need of a content encoder.

Implementations: `embeddings.text` (SBERT) and `embeddings.image` (timm) on torch, `embeddings.onnx_text` and
`embeddings.onnx_image` on what those export, and the ones of `embeddings.hashing`, which need no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from catalog.records import Floats, Item

Modality = Literal["text", "image"]


class Encoder(Protocol):
    """Turns the content of items into unit vectors."""

    @property
    def name(self) -> str:
        """Identity of weights and preprocessing: equal names promise equal vectors."""

    @property
    def modality(self) -> Modality:
        """Which part of an item it reads."""

    @property
    def dim(self) -> int:
        """Length of its vectors."""

    def content_hash(self, item: Item) -> str | None:
        """Identity of the content that this encoder would read, or None where the item has none of it."""

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]` and, per item, why it could not be encoded (None where it was)."""


class TextEncoder(Encoder, Protocol):
    """One that reads texts, those of queries too."""

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors `[n, dim]` of plain texts, zero where one has no words."""


class ImageEncoder(Encoder, Protocol):
    """One that looks at pictures, those of queries too."""

    def encode_pictures(self, pictures: Sequence[bytes]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]` of picture files, and per file the reason where it cannot be read."""
