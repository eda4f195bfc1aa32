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
from typing import Protocol, TypeVar

import numpy as np

from bundle.reader import Bundle, Content
from catalog.errors import BundleError
from catalog.records import Floats, Item
from embeddings.content import content_hash
from embeddings.encoder import Encoder, Modality
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from embeddings.store import EmbeddingStore

Answer = TypeVar("Answer")
MODALITIES: tuple[Modality, Modality] = ("text", "image")


class Reader(Encoder, Protocol):
    """A text encoder that takes queries too."""

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors `[n, dim]` of plain texts, zero where one is empty."""


class Looker(Encoder, Protocol):
    """An image encoder that takes files too."""

    def encode_pictures(self, pictures: Sequence[bytes]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]` of picture files, and why one could not be read."""


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
        self, bundle: Bundle, text: Reader | None, image: Looker | None, embeddings: EmbeddingStore
    ) -> None:
        """Take encoders whose vectors are those that the bundle was trained on; `open` finds them."""
        self.text, self.image = text, image
        names, dims = bundle.manifest.encoders, bundle.manifest.dims
        self._names: dict[Modality, str | None] = {"text": names.text, "image": names.image}
        self._dims: dict[Modality, int] = {"text": dims.text, "image": dims.image}
        self._embeddings = embeddings
        self._intake = ThreadPoolExecutor(1, "intake")
        self._queries = ThreadPoolExecutor(1, "queries")

    @classmethod
    def open(cls, bundle: Bundle, embeddings: EmbeddingStore) -> Senses:
        """The encoders that a bundle names and carries, or that need no weights.

        Raises:
            BundleError: it carries an encoder that makes other vectors than the bundle was trained on.
        """
        names = bundle.manifest.encoders
        text, image = _text_encoder(bundle), _image_encoder(bundle)
        for found, name in ((text, names.text), (image, names.image)):
            if found is not None and found.name != name:
                raise BundleError(
                    f"expected the encoder {name} in {bundle.path}, found {found.name}; build the bundle again"
                )
        return cls(bundle, text, image, embeddings)

    def close(self) -> None:
        """Let the threads end."""
        for pool in (self._intake, self._queries):
            pool.shutdown(wait=True, cancel_futures=True)

    async def in_turn(self, work: Callable[[], Answer]) -> Answer:
        """Do some work on new items in their thread, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._intake, work)

    async def beside(self, work: Callable[[], Answer]) -> Answer:
        """Do some work of a query in the thread of queries."""
        return await asyncio.get_running_loop().run_in_executor(self._queries, work)

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
        reasons: list[str | None] = [None] * len(items)
        if name is None:
            return np.zeros((len(items), dim), np.float32), np.zeros(len(items), bool), reasons, False
        hashes = [content_hash(item, modality) for item in items]
        vectors, mask = self._embeddings.matrix(name, hashes, dim)
        missing = {known: i for i, known in enumerate(hashes) if known is not None and not mask[i]}
        if missing and encoder is not None:
            made, failed = encoder.encode([items[i] for i in missing.values()])
            self._embeddings.put(name, list(missing), made, failed)
            place = {known: at for at, known in enumerate(missing)}
            for i, known in enumerate(hashes):
                if known in place:
                    vectors[i], reasons[i] = made[place[known]], failed[place[known]]
                    mask[i] = reasons[i] is None
        return vectors, mask, reasons, bool(missing) and encoder is not None


def _text_encoder(bundle: Bundle) -> Reader | None:
    name = bundle.manifest.encoders.text
    if name is not None and name.startswith("hashing-text:"):
        return HashingTextEncoder(bundle.manifest.dims.text)
    return None


def _image_encoder(bundle: Bundle) -> Looker | None:
    name = bundle.manifest.encoders.image
    if name is not None and name.startswith("hashing-image:"):
        return HashingImageEncoder()
    return None
