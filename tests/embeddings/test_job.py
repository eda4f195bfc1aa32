import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from catalog.records import Floats, Item, ItemId
from embeddings.content import content_hash
from embeddings.encoder import Encoder, Modality
from embeddings.hashing import HashingTextEncoder
from embeddings.job import MAX_LISTED, content_vectors, embed, select
from embeddings.store import MemoryEmbeddingStore


def items(count: int) -> list[Item]:
    return [Item(ItemId(str(number)), f"title {number}", "word " * (number % 7)) for number in range(count)]


class PowerCut(BaseException):
    """What a kill looks like from inside: nothing may catch it."""


@dataclass
class Counting:
    """A real encoder that notes what it is asked for, breaks where told to, and cannot read "bad"."""

    die_after: int | None = None
    inner: HashingTextEncoder = field(default_factory=HashingTextEncoder)
    batches: list[list[str]] = field(default_factory=list)
    modality: Modality = "text"

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def dim(self) -> int:
        return self.inner.dim

    def content_hash(self, item: Item) -> str | None:
        return self.inner.content_hash(item)

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        if self.die_after is not None and len(self.batches) >= self.die_after:
            raise PowerCut
        self.batches.append([item.item_id for item in items])
        vectors, reasons = self.inner.encode(items)
        return vectors, [
            "is bad" if item.title == "bad" else reason for item, reason in zip(items, reasons, strict=True)
        ]

    @property
    def asked(self) -> list[str]:
        return [item_id for batch in self.batches for item_id in batch]


@dataclass
class Bar:
    done: int = 0

    def advance(self, items: int) -> None:
        assert items > 0
        self.done += items


def test_every_item_gets_the_vector_of_its_content() -> None:
    store, encoder = MemoryEmbeddingStore(), HashingTextEncoder()
    catalogue = [*items(50), Item(ItemId("empty"))]
    report = embed(catalogue, encoder, store, batch_size=8)
    select(store, "text", encoder)
    found = content_vectors(catalogue, "text", store)
    assert (report.encoded, report.without_content, report.items) == (50, 1, 51)
    assert found.encoder == encoder.name
    assert found.mask.tolist() == [True] * 50 + [False]
    np.testing.assert_array_equal(found.vectors, encoder.encode(catalogue)[0])


def test_a_modality_that_was_not_selected_is_masked() -> None:
    store = MemoryEmbeddingStore()
    found = content_vectors(items(3), "image", store)
    assert found.encoder is None
    assert found.vectors.shape == (3, 0)
    assert not found.mask.any()
    select(store, "image", HashingTextEncoder())
    select(store, "image", None)
    assert content_vectors(items(3), "image", store).encoder is None


def test_a_second_run_encodes_nothing() -> None:
    store, encoder = MemoryEmbeddingStore(), Counting()
    embed(items(30), encoder, store, batch_size=8)
    again = embed(items(30), encoder, store, batch_size=8)
    assert (again.encoded, again.reused) == (0, 30)
    assert len(encoder.asked) == 30


def test_only_what_changed_is_encoded() -> None:
    store, encoder = MemoryEmbeddingStore(), Counting()
    embed(items(30), encoder, store)
    changed = items(30)
    changed[7] = Item(ItemId("7"), "another title")
    embed(changed, encoder, store)
    assert encoder.asked[30:] == ["7"]


@pytest.mark.parametrize("die_after", [0, 1, 3])
def test_a_kill_loses_one_batch_at_most(die_after: int) -> None:
    store = MemoryEmbeddingStore()
    killed = Counting(die_after=die_after)
    with pytest.raises(PowerCut):
        embed(items(40), killed, store, batch_size=8)
    resumed = Counting()
    report = embed(items(40), resumed, store, batch_size=8)
    assert report.reused == 8 * die_after
    assert sorted(killed.asked + resumed.asked) == sorted(item.item_id for item in items(40))


def test_the_same_content_is_encoded_once_within_a_run() -> None:
    # 3 contents, 100 items, over several buffers.
    catalogue = [Item(ItemId(str(number)), f"title {number % 3}") for number in range(100)]
    encoder = Counting()
    report = embed(catalogue, encoder, MemoryEmbeddingStore(), batch_size=2)
    assert (report.encoded, report.reused) == (3, 97)
    assert len(encoder.asked) == 3


def test_batches_are_sorted_by_length_and_bounded() -> None:
    encoder = Counting()
    catalogue = items(70)
    embed(catalogue, encoder, MemoryEmbeddingStore(), batch_size=8)
    lengths = [len(catalogue[int(name)].title + catalogue[int(name)].text) for name in encoder.asked]
    assert lengths == sorted(lengths)
    assert [len(batch) for batch in encoder.batches] == [8] * 8 + [6]


def test_items_are_read_as_a_stream() -> None:
    read = 0

    def stream() -> Iterator[Item]:
        nonlocal read
        for item in items(100):
            read += 1
            yield item

    with pytest.raises(PowerCut):
        embed(stream(), Counting(die_after=1), MemoryEmbeddingStore(), batch_size=2)
    assert read == 32, "one buffer of 16 batches"


def test_failures_are_reported_once_and_retried_when_asked() -> None:
    store, encoder = MemoryEmbeddingStore(), Counting()
    catalogue = [*items(5), Item(ItemId("x"), "bad"), Item(ItemId("y"), "bad")]
    first = embed(catalogue, encoder, store)
    assert first.failed == (("x", "is bad"), ("y", "is bad"))
    assert (first.encoded, first.failures, first.items) == (5, 2, 7)
    second = embed(catalogue, encoder, store)
    assert (second.reused, second.failures, second.known_failures, second.failed) == (5, 0, 2, ())
    assert len(encoder.asked) == 6
    third = embed(catalogue, encoder, store, retry_failed=True)
    assert (third.reused, third.failures) == (5, 2)
    assert encoder.asked[6:] == ["x"]


def test_a_retry_can_succeed() -> None:
    store, encoder = MemoryEmbeddingStore(), HashingTextEncoder()
    item = Item(ItemId("x"), "bad")
    embed([item], Counting(), store)
    assert embed([item], encoder, store, retry_failed=True).encoded == 1
    assert store.known(encoder.name, [str(content_hash(item, "text"))]) == {content_hash(item, "text"): None}


def test_the_list_of_failures_is_bounded() -> None:
    catalogue = [
        Item(ItemId(str(number)), "bad", f"for reason {number}") for number in range(MAX_LISTED + 50)
    ]
    report = embed(catalogue, Counting(), MemoryEmbeddingStore())
    assert report.failures == MAX_LISTED + 50
    assert len(report.failed) == MAX_LISTED


@pytest.mark.parametrize("prepared", [0, 10])
def test_progress_counts_every_item_once(prepared: int) -> None:
    store, bar = MemoryEmbeddingStore(), Bar()
    catalogue = [*items(40), Item(ItemId("e")), Item(ItemId("x"), "bad"), Item(ItemId("copy"), "title 0")]
    embed(catalogue[:prepared], Counting(), store)
    report = embed(catalogue, Counting(), store, batch_size=4, progress=bar)
    assert bar.done == len(catalogue) == report.items


def test_what_another_has_in_hand_is_waited_for_and_not_done_again() -> None:
    store, encoder = MemoryEmbeddingStore(), Counting()
    catalogue = items(40)
    hashes = [str(content_hash(item, "text")) for item in catalogue[:10]]
    store.claim(encoder.name, hashes, "another", 30)
    theirs = HashingTextEncoder().encode(catalogue[:10])
    finish = threading.Timer(0.3, lambda: store.put(encoder.name, hashes, *theirs))
    finish.start()
    report = embed(catalogue, encoder, store, batch_size=8, claim_seconds=1)
    finish.join()
    assert (report.encoded, report.reused, report.items) == (30, 10, 40)
    assert sorted(encoder.asked, key=int) == [str(number) for number in range(10, 40)]


def test_what_another_could_not_encode_is_not_tried_again() -> None:
    store, encoder = MemoryEmbeddingStore(), Counting()
    item = Item(ItemId("x"), "bad")
    content = str(content_hash(item, "text"))
    store.claim(encoder.name, [content], "another", 30)
    failure = np.zeros((1, encoder.dim), np.float32), ["is bad"]
    finish = threading.Timer(0.2, lambda: store.put(encoder.name, [content], *failure))
    finish.start()
    report = embed([item], encoder, store, retry_failed=True, claim_seconds=1)
    finish.join()
    assert (report.known_failures, report.items) == (1, 1)
    assert encoder.asked == []


def test_no_items() -> None:
    report = embed([], Counting(), MemoryEmbeddingStore())
    assert report.items == 0
    assert report.items_per_second == 0


def test_the_counting_encoder_is_an_encoder() -> None:
    encoder: Encoder = Counting()
    assert encoder.dim == 256
