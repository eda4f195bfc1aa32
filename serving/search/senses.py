"""Reading and looking: the content encoders of a bundle, and what they have seen before.

Nothing is encoded twice: vectors are kept by (encoder, content), so what another worker or the embedding job did is
found. A bundle without its encoders still finds what is kept; what is not stays masked. Encoding takes a thread of
its own for new items, and another one for queries, so that neither waits for the other and answers wait for none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bundle.reader import Bundle, Content
from catalog.records import Floats, Item
from embeddings.content import content_hash
from embeddings.encoder import Encoder, ImageEncoder, Modality, TextEncoder
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.store import EmbeddingStore
from index.protocol import Mask

Answer = TypeVar("Answer")
LARGE = 4_000_000
"""Numbers that are multiplied where they are needed; more are in a thread."""
MODALITIES: tuple[Modality, Modality] = ("text", "image")


@dataclass(frozen=True, slots=True)
class Sensed:
    """What was made of the content of n items."""

    content: Content
    reasons: dict[Modality, list[str | None]]
    """Why there is no vector of a content that there is; None where there is one, or no content."""
    encoded: frozenset[Modality]
    """Of which modalities something was encoded now, and not just found."""


class Senses:
    """The encoders of one bundle; either may be missing."""

    def __init__(
        self, bundle: Bundle, text: TextEncoder | None, image: ImageEncoder | None, embeddings: EmbeddingStore
    ) -> None:
        """Take encoders whose vectors are those that the bundle was trained on; `open` finds them."""
        self.text, self.image = text, image
        names, dims = bundle.manifest.encoders, bundle.manifest.dims
        self._names: dict[Modality, str | None] = {"text": names.text, "image": names.image}
        self._dims: dict[Modality, int] = {"text": dims.text, "image": dims.image}
        self._embeddings = embeddings
        self.waiting = 0
        """Works on new items that are not done."""
        self._intake = ThreadPoolExecutor(1, "intake")
        self._queries = ThreadPoolExecutor(1, "queries")

    @classmethod
    def open(cls, bundle: Bundle, embeddings: EmbeddingStore) -> Senses:
        """The encoders that a bundle names and carries, or that need no weights.

        Raises:
            BundleError: an encoder does not answer as it did when it was exported.
        """
        return cls(bundle, _text_encoder(bundle), _image_encoder(bundle), embeddings)

    @property
    def share_space(self) -> bool:
        """Whether a text finds pictures, and a picture texts: the one encoder was tuned to the other."""
        return (
            isinstance(self.image, OnnxImageEncoder)
            and self.image.text_space == self._names["text"] is not None
        )

    def close(self) -> None:
        """Let the threads end."""
        for pool in (self._intake, self._queries):
            pool.shutdown(wait=True, cancel_futures=True)

    async def in_turn(self, work: Callable[[], Answer]) -> Answer:
        """Do some work on new items in their thread, one after the other."""
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._intake, work)
        finally:
            self.waiting -= 1

    async def beside(self, work: Callable[[], Answer]) -> Answer:
        """Do some work of a query in the thread of queries."""
        return await asyncio.get_running_loop().run_in_executor(self._queries, work)

    async def compared(self, vectors: Floats, mask: Mask, query: Floats) -> Floats:
        """Cosines `[n]` of a unit vector with others, NaN where the mask says that there is none."""

        def compare() -> Floats:
            return np.where(mask, vectors @ query, np.float32(np.nan))

        # So many products hold up the event loop for longer than a thread takes to wake up.
        return await self.beside(compare) if vectors.size > LARGE else compare()

    def sense(self, items: Sequence[Item]) -> Sensed:
        """Content vectors of items, found or made and kept. Takes its time: not for the event loop.

        Raises:
            StoreError: the vectors that are kept cannot be read, or new ones not kept.
        """
        vectors: dict[Modality, Floats] = {}
        masks, reasons, encoded = [], {}, set()
        for modality in MODALITIES:
            vectors[modality], mask, reasons[modality], fresh = self._sense(items, modality)
            masks.append(mask)
            if fresh:
                encoded.add(modality)
        content = Content(vectors["text"], vectors["image"], np.stack(masks, axis=1))
        return Sensed(content, reasons, frozenset(encoded))

    def _sense(
        self, items: Sequence[Item], modality: Modality
    ) -> tuple[Floats, np.ndarray, list[str | None], bool]:
        """Vectors, mask, reasons, and whether anything was encoded, of one modality."""
        name, dim = self._names[modality], self._dims[modality]
        encoder: Encoder | None = self.text if modality == "text" else self.image
        vectors, mask = np.zeros((len(items), dim), np.float32), np.zeros(len(items), bool)
        reasons: list[str | None] = [None] * len(items)
        if name is None or not items:
            return vectors, mask, reasons, False
        hashes = [content_hash(item, modality) for item in items]
        # In int8 an encoder makes nearly the vectors that the bundle was trained on, under a name of its own.
        for kept_by in dict.fromkeys((name, name if encoder is None else encoder.name)):
            wanted = [None if there else content for content, there in zip(hashes, mask, strict=True)]
            found, known = self._embeddings.matrix(kept_by, wanted, dim)
            vectors[known], mask[known] = found[known], True
        missing = {content: i for i, content in enumerate(hashes) if content is not None and not mask[i]}
        if missing and encoder is not None:
            made, failed = encoder.encode([items[i] for i in missing.values()])
            self._embeddings.put(encoder.name, list(missing), made, failed)
            place = {content: at for at, content in enumerate(missing)}
            for i, content in enumerate(hashes):
                if content in place:
                    vectors[i], reasons[i] = made[place[content]], failed[place[content]]
                    mask[i] = reasons[i] is None
        return vectors, mask, reasons, bool(missing) and encoder is not None


def _text_encoder(bundle: Bundle) -> TextEncoder | None:
    if bundle.text_encoder is not None:
        return OnnxTextEncoder.open(bundle.text_encoder)
    without_weights = HashingTextEncoder(bundle.manifest.dims.text)
    return without_weights if without_weights.name == bundle.manifest.encoders.text else None


def _image_encoder(bundle: Bundle) -> ImageEncoder | None:
    if bundle.image_encoder is not None:
        return OnnxImageEncoder.open(bundle.image_encoder)
    without_weights = HashingImageEncoder()
    return without_weights if without_weights.name == bundle.manifest.encoders.image else None
