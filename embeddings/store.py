"""Where vectors are kept, by encoder and content: what the embedding job fills and training reads.

One contract, `EmbeddingStore`, and its in-memory version; `embeddings.mongo` has the one on MongoDB.
It knows neither items nor models, only names, hashes and vectors.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats
from embeddings.encoder import Modality

Reasons = Sequence[str | None]
"""Per content, why it has no vector; None where it has one. What `Encoder.encode` returns."""


@dataclass(frozen=True, slots=True)
class SelectedEncoder:
    """The encoder whose vectors a catalogue uses for one modality."""

    name: str
    dim: int


class EmbeddingStore(Protocol):
    """Vectors by (encoder name, content hash). Every write is idempotent."""

    def known(self, encoder: str, hashes: Collection[str]) -> dict[str, str | None]:
        """Those of the hashes that were put before, each with its reason, or None where it has a vector."""

    def put(self, encoder: str, hashes: Sequence[str], vectors: Floats, reasons: Reasons) -> None:
        """Durably keep one batch: row i of `vectors` `[n, dim]`, or the reason why there is none."""

    def claim(
        self, encoder: str, hashes: Collection[str], owner: str, seconds: float, retry: bool = False
    ) -> set[str]:
        """Those of the hashes that `owner` alone may encode now: never put, and claimed by nobody else.

        A claim ends when its content is put or the claim released, and by itself after so many seconds; who claims
        again what is his prolongs it. With `retry`, contents that were put with a reason can be claimed too.
        """

    def release(self, encoder: str, hashes: Collection[str], owner: str) -> None:
        """Give back those that `owner` claimed and did not put."""

    def matrix(
        self, encoder: str, hashes: Sequence[str | None], dim: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Vectors `[n, dim]` in the order asked for and a mask `[n]`; zeros where the mask is False.

        A hash of None, one never put and one that failed are all masked.
        """

    def select(self, modality: Modality, encoder: SelectedEncoder | None) -> None:
        """Remember which encoder's vectors are to be used; None masks the modality."""

    def selected(self, modality: Modality) -> SelectedEncoder | None:
        """The encoder selected last, or None."""


class MemoryEmbeddingStore:
    """`EmbeddingStore` in a dictionary, for tests and for runs without a database."""

    def __init__(self) -> None:
        self._vectors: dict[tuple[str, str], Floats] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        self._claims: dict[tuple[str, str], tuple[str, float]] = {}
        self._selected: dict[Modality, SelectedEncoder | None] = {}

    def known(self, encoder: str, hashes: Collection[str]) -> dict[str, str | None]:
        """See `EmbeddingStore.known`."""
        keys = [(encoder, each) for each in hashes]
        return {
            key[1]: self._reasons.get(key) for key in keys if key in self._vectors or key in self._reasons
        }

    def put(self, encoder: str, hashes: Sequence[str], vectors: Floats, reasons: Reasons) -> None:
        """See `EmbeddingStore.put`."""
        for each, vector, reason in zip(hashes, vectors, reasons, strict=True):
            key = encoder, each
            self._claims.pop(key, None)
            if reason is None:
                self._vectors[key] = vector.astype(np.float32)
                self._reasons.pop(key, None)
            else:
                self._reasons[key] = reason
                self._vectors.pop(key, None)

    def claim(
        self, encoder: str, hashes: Collection[str], owner: str, seconds: float, retry: bool = False
    ) -> set[str]:
        """See `EmbeddingStore.claim`."""
        now, mine = time.monotonic(), set()
        for each in hashes:
            key = encoder, each
            holder, until = self._claims.get(key, (owner, now))
            done = key in self._vectors or (key in self._reasons and not retry)
            if not done and (holder == owner or until < now):
                self._claims[key] = owner, now + seconds
                mine.add(each)
        return mine

    def release(self, encoder: str, hashes: Collection[str], owner: str) -> None:
        """See `EmbeddingStore.release`."""
        for each in hashes:
            if self._claims.get((encoder, each), ("", 0.0))[0] == owner:
                del self._claims[encoder, each]

    def matrix(
        self, encoder: str, hashes: Sequence[str | None], dim: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """See `EmbeddingStore.matrix`."""
        vectors = np.zeros((len(hashes), dim), np.float32)
        mask = np.zeros(len(hashes), np.bool_)
        for row, each in enumerate(hashes):
            vector = None if each is None else self._vectors.get((encoder, each))
            if vector is not None:
                vectors[row], mask[row] = vector, True
        return vectors, mask

    def select(self, modality: Modality, encoder: SelectedEncoder | None) -> None:
        """See `EmbeddingStore.select`."""
        self._selected[modality] = encoder

    def selected(self, modality: Modality) -> SelectedEncoder | None:
        """See `EmbeddingStore.selected`."""
        return self._selected.get(modality)
