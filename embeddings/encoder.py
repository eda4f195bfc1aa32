"""What the embedding job and the bundle need of a content encoder.

Implementations: `embeddings.text` (SBERT), `embeddings.image` (timm) and the deterministic in-memory
ones of `embeddings.hashing`, which need no weights.
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
