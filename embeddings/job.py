"""The embedding job: every content of a catalogue once through its encoder, and into the store.

It streams: a buffer of items at a time, the new contents of it sorted by length, encoded and stored batch by
batch. What is in the store is not encoded again, so a run that was killed loses one batch at most. Knows
no model and no database; those come ready.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats, Item
from embeddings.content import content_hash
from embeddings.encoder import Encoder, Modality
from embeddings.store import EmbeddingStore, SelectedEncoder

BATCH_SIZE = 64
BUFFERED_BATCHES = 16
MAX_LISTED = 1000
"""Failures that a report lists; all of them are counted."""


class Progress(Protocol):
    """Hears how far the job is; the CLI draws a bar with it."""

    def advance(self, items: int) -> None:
        """So many more items are done, whatever became of them."""


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What became of the items of one run, each counted once: the five numbers add up to all of them."""

    encoded: int
    """Items whose content this run encoded."""
    reused: int
    """Items whose content has a vector already, from an earlier run or another item of this one."""
    without_content: int
    """Items that have nothing of this modality."""
    failures: int
    """Items whose content could not be encoded in this run."""
    known_failures: int
    """Items whose content could not be encoded before, as a rule in an earlier run, and was not tried again."""
    failed: tuple[tuple[str, str], ...]
    """(item id, reason) of this run's failures, the first 1,000."""
    seconds: float

    @property
    def items(self) -> int:
        """All items of the run."""
        return self.encoded + self.reused + self.without_content + self.failures + self.known_failures

    @property
    def items_per_second(self) -> float:
        """Items encoded per second of the whole run, reading and storing included."""
        return self.encoded / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class ContentVectors:
    """The vectors of one modality for a sequence of items."""

    encoder: str | None
    """Name of the encoder; None where the modality is masked throughout."""
    vectors: Floats
    """`[n, dim]`, unit length; zeros where the mask is False. dim is 0 without an encoder."""
    mask: NDArray[np.bool_]
    """`[n]`: which items have a vector."""


@dataclass(slots=True)
class _Tally:
    encoded: int = 0
    reused: int = 0
    without_content: int = 0
    failures: int = 0
    known_failures: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def embed(
    items: Iterable[Item],
    encoder: Encoder,
    store: EmbeddingStore,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
    retry_failed: bool = False,
) -> EmbedReport:
    """Encode what is new among the items and put it into the store.

    Args:
        items: Read once, in a stream; memory is bounded by `batch_size * BUFFERED_BATCHES` of them.
        encoder: Whose vectors are wanted; its name is half of every key in the store.
        store: Where vectors are looked up and kept, batch by batch.
        batch_size: Contents per call of the encoder and per write.
        progress: Hears of every item that is done.
        retry_failed: Try contents again that could not be encoded in an earlier run.
    """
    began = time.perf_counter()
    tally = _Tally()
    stream = iter(items)
    while buffer := list(islice(stream, batch_size * BUFFERED_BATCHES)):
        for done in _embed_buffer(buffer, encoder, store, batch_size, retry_failed, tally):
            if progress is not None and done:
                progress.advance(done)
    return EmbedReport(
        tally.encoded, tally.reused, tally.without_content, tally.failures, tally.known_failures,
        tuple(tally.failed), time.perf_counter() - began,
    )  # fmt: skip


def select(store: EmbeddingStore, modality: Modality, encoder: Encoder | None) -> None:
    """Make an encoder's vectors the ones that training uses; None masks the modality."""
    store.select(modality, None if encoder is None else SelectedEncoder(encoder.name, encoder.dim))


def content_vectors(items: Sequence[Item], modality: Modality, store: EmbeddingStore) -> ContentVectors:
    """The stored vectors of the selected encoder, row i for item i. Loads no model."""
    chosen = store.selected(modality)
    if chosen is None:
        return ContentVectors(None, np.zeros((len(items), 0), np.float32), np.zeros(len(items), np.bool_))
    hashes = [content_hash(item, modality) for item in items]
    return ContentVectors(chosen.name, *store.matrix(chosen.name, hashes, chosen.dim))


def _embed_buffer(
    buffer: Sequence[Item],
    encoder: Encoder,
    store: EmbeddingStore,
    batch_size: int,
    retry_failed: bool,
    tally: _Tally,
) -> Iterator[int]:
    """Do one buffer; yields, as it goes, how many more of its items are done."""
    owners: dict[str, list[Item]] = {}
    for item in buffer:
        content = encoder.content_hash(item)
        if content is not None:
            owners.setdefault(content, []).append(item)
    with_content = sum(map(len, owners.values()))
    tally.without_content += len(buffer) - with_content

    known = store.known(encoder.name, owners)
    if retry_failed:
        known = {content: reason for content, reason in known.items() if reason is None}
    bad = sum(len(owners[content]) for content, reason in known.items() if reason is not None)
    good = sum(len(owners[content]) for content, reason in known.items() if reason is None)
    tally.known_failures += bad
    tally.reused += good
    yield len(buffer) - with_content + bad + good

    fresh = sorted(
        (content for content in owners if content not in known),
        key=lambda content: len(owners[content][0].title) + len(owners[content][0].text),
    )
    for begin in range(0, len(fresh), batch_size):
        batch = fresh[begin : begin + batch_size]
        vectors, reasons = encoder.encode([owners[content][0] for content in batch])
        store.put(encoder.name, batch, vectors, reasons)
        for content, reason in zip(batch, reasons, strict=True):
            same = owners[content]
            if reason is None:
                tally.encoded += 1
                tally.reused += len(same) - 1
            else:
                tally.failures += len(same)
                room = MAX_LISTED - len(tally.failed)
                tally.failed.extend((item.item_id, reason) for item in same[:room])
        yield sum(len(owners[content]) for content in batch)
