"""The embedding job: every content of a catalogue once through its encoder, and into the store.

It streams: a buffer of items at a time, the new contents of it sorted by length, encoded and stored batch by
batch. What is in the store is not encoded again, so a run that was killed loses one batch at most. Any number of
processes may run it on the same catalogue: each batch is claimed first, and whoever comes later takes the next one.
Knows no model and no database; those come ready.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats, Item
from embeddings.claims import SECONDS, Claims
from embeddings.content import content_hash
from embeddings.encoder import Encoder, Modality
from embeddings.store import EmbeddingStore, SelectedEncoder

BATCH_SIZES = {"cpu": 64, "cuda": 1024}
"""By device, contents of one call of the encoder and one write: a GPU is done with few of them at once."""
BUFFERED_BATCHES = 16
"""Batches of items that are read at once and sorted by length …"""
MOST_BUFFERED = 4096
"""… unless that would be more items than this, whose pictures may be part of them."""
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
    """Items whose content has a vector already: from an earlier run, another process or another item of this run."""
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
    batch_size: int = BATCH_SIZES["cpu"],
    progress: Progress | None = None,
    retry_failed: bool = False,
    claim_seconds: float = SECONDS,
) -> EmbedReport:
    """Encode what is new among the items and put it into the store; returns when all of it is there.

    Args:
        items: Read once, in a stream; memory is bounded by `batch_size * BUFFERED_BATCHES` of them at most.
        encoder: Whose vectors are wanted; its name is half of every key in the store.
        store: Where vectors are looked up and kept, batch by batch.
        batch_size: Contents per call of the encoder and per write.
        progress: Hears of every item that is done.
        retry_failed: Try contents again that could not be encoded in an earlier run.
        claim_seconds: How long after the death of another process what it had in hand is taken over.
    """
    began = time.perf_counter()
    work = _Work(encoder, store, Claims(store, encoder.name, claim_seconds), batch_size, retry_failed)
    stream = iter(items)
    buffered = max(batch_size, min(batch_size * BUFFERED_BATCHES, MOST_BUFFERED))
    while buffer := list(islice(stream, buffered)):
        for done in chain(work.buffer(buffer), work.meet()):
            if progress is not None and done:
                progress.advance(done)
    while work.elsewhere:
        for done in work.meet():
            if progress is not None and done:
                progress.advance(done)
        if work.elsewhere:
            time.sleep(min(claim_seconds / 10, 1.0))
    tally = work.tally
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


Owners = dict[str, list[Item]]
"""Items by the content that they have."""


@dataclass(slots=True)
class _Work:
    encoder: Encoder
    store: EmbeddingStore
    claims: Claims
    batch_size: int
    retry_failed: bool
    tally: _Tally = field(default_factory=_Tally)
    elsewhere: Owners = field(default_factory=dict)
    """What other processes had in hand when we came to it: their batches, and no more."""

    def buffer(self, items: Sequence[Item]) -> Iterator[int]:
        """Do some items; yields, as it goes, how many more are done."""
        owners: Owners = {}
        for item in items:
            content = self.encoder.content_hash(item)
            if content is not None:
                owners.setdefault(content, []).append(item)
        without = len(items) - sum(map(len, owners.values()))
        self.tally.without_content += without
        yield without
        for content in owners.keys() & self.elsewhere.keys():
            owners[content] += self.elsewhere.pop(content)
        yield from self._encode(owners, self.retry_failed)

    def meet(self) -> Iterator[int]:
        """Look again at what others had in hand: done by now, still in theirs, or ours after all."""
        owners, self.elsewhere = self.elsewhere, {}
        # What another process found impossible in this very run is not tried again.
        yield from self._encode(owners, retry=False)

    def _encode(self, owners: Owners, retry: bool) -> Iterator[int]:
        yield self._count_known(owners, retry)
        by_length = sorted(owners, key=lambda each: len(owners[each][0].title) + len(owners[each][0].text))
        for begin in range(0, len(by_length), self.batch_size):
            batch = by_length[begin : begin + self.batch_size]
            with self.claims.held(batch, retry) as held:
                ours = [content for content in batch if content in held]
                self.elsewhere.update((content, owners[content]) for content in batch if content not in held)
                if not ours:
                    continue
                vectors, reasons = self.encoder.encode([owners[content][0] for content in ours])
                self.store.put(self.encoder.name, ours, vectors, reasons)
            for content, reason in zip(ours, reasons, strict=True):
                self._count(owners[content], reason)
            yield sum(len(owners[content]) for content in ours)

    def _count_known(self, owners: Owners, retry: bool) -> int:
        """Take out what is in the store; returns how many items that were."""
        done = 0
        for content, reason in self.store.known(self.encoder.name, owners).items():
            if reason is not None and retry:
                continue
            same = len(owners.pop(content))
            if reason is None:
                self.tally.reused += same
            else:
                self.tally.known_failures += same
            done += same
        return done

    def _count(self, same: list[Item], reason: str | None) -> None:
        if reason is None:
            self.tally.encoded += 1
            self.tally.reused += len(same) - 1
        else:
            self.tally.failures += len(same)
            room = MAX_LISTED - len(self.tally.failed)
            self.tally.failed.extend((item.item_id, reason) for item in same[:room])
