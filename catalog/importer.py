"""From a data set into the store: streamed in batches, checked first, idempotent throughout.

A second import changes nothing; one that was killed is finished by running it again. The schema is
written last, so its presence means that everything before it is there.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from catalog.dataset import Dataset, Entity, Part
from catalog.progress import SILENT, Progress
from catalog.records import BadRow, Interaction, Item, ItemId, User, UserId
from catalog.store import CatalogStore, Counts, Written

BATCH = 5000
"""Rows read before they are written."""

LINE_MASK = (1 << 40) - 1
"""The part of an imported event's sequence that is its line; above it is the ordinal of its file."""


@dataclass(slots=True)
class FileReport:
    """What became of one file's rows: read = inserted + updated + unchanged + bad."""

    name: str
    entity: Entity
    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: int = 0
    seconds: float = 0.0

    def add(self, written: Written) -> None:
        """Count a batch of writes."""
        self.inserted += written.inserted
        self.updated += written.updated
        self.unchanged += written.unchanged


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, and what the store holds after it."""

    dataset: str
    files: tuple[FileReport, ...]
    counts: Counts
    implied: int
    """Users and items that only events name, added because the declaration allows it."""
    bad: tuple[BadRow, ...]
    """The first bad rows; all of them are in the store's quarantine."""
    seconds: float


@dataclass(slots=True)
class _Batch:
    """Rows on their way into the store."""

    items: list[Item] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    events: list[Interaction] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items) + len(self.users) + len(self.events) + len(self.bad)


class _Import:
    """One run: what ids it has seen, and the reports that it fills."""

    def __init__(self, dataset: Dataset, store: CatalogStore, progress: Progress, batch_rows: int) -> None:
        self.dataset, self.store, self.progress, self.batch_rows = dataset, store, progress, batch_rows
        self.known: dict[str, set[str]] = {"items": set(), "users": set()}
        self.reports: dict[str, FileReport] = {}
        self.shown: list[BadRow] = []
        self.implied = 0
        self.writer = ThreadPoolExecutor(1, "import-writer")
        self.writing: Future[int] | None = None

    def part(self, part: Part) -> None:
        begin = time.perf_counter()
        report = self.report(part.name, part.entity)
        self.progress.start(part.name, part.total)
        batch = _Batch()
        for row in part.rows():
            if isinstance(row, BadRow):
                self.reject(batch, row, part.entity)
            elif isinstance(row, Interaction):
                report.read += 1
                self.event(batch, row, part)
            else:
                report.read += 1
                self.record(batch, row)
            if len(batch) >= self.batch_rows:
                self.hand_over(batch, report)
                batch = _Batch()
        self.hand_over(batch, report)
        self.finish()
        report.seconds += time.perf_counter() - begin

    def report(self, name: str, entity: Entity) -> FileReport:
        return self.reports.setdefault(name, FileReport(name, entity))

    def reject(self, batch: _Batch, row: BadRow, entity: Entity, read: int = 1) -> None:
        report = self.report(row.file, entity)
        report.bad += 1
        report.read += read
        batch.bad.append(row)
        if len(self.shown) < 20:
            self.shown.append(row)

    def record(self, batch: _Batch, row: Item | User) -> None:
        if isinstance(row, Item):
            self.known["items"].add(row.item_id)
            batch.items.append(row)
        else:
            self.known["users"].add(row.user_id)
            batch.users.append(row)

    def event(self, batch: _Batch, event: Interaction, part: Part) -> None:
        for entity, key in (("users", event.user_id), ("items", event.item_id)):
            known = self.known[entity]
            if key in known:
                continue
            if entity not in self.dataset.implied:
                line = event.sequence & LINE_MASK
                bad = BadRow(part.name, line, entity[:-1], key, f"unknown {entity[:-1]}")
                self.reject(batch, bad, part.entity, read=0)
                return
            known.add(key)
            self.implied += 1
            if entity == "users":
                batch.users.append(User(UserId(key)))
            else:
                batch.items.append(Item(ItemId(key), title=key))
        batch.events.append(event)

    def hand_over(self, batch: _Batch, report: FileReport) -> None:
        """Let the writer have a batch once it is done with the one before: reading and writing overlap."""
        self.finish()
        self.writing = self.writer.submit(self.write, batch, report)

    def finish(self) -> None:
        """Wait for the batch that is being written."""
        if self.writing is not None:
            self.progress.advance(self.writing.result())
            self.writing = None

    def write(self, batch: _Batch, report: FileReport) -> int:
        written = []
        if batch.items:
            written.append(self.store.put_items(batch.items))
        if batch.users:
            written.append(self.store.put_users(batch.users))
        if report.entity == "interactions":
            written.clear()  # implied records are counted apart: they are no rows of the file
        if batch.events:
            written.append(self.store.put_interactions(batch.events))
        for each in written:
            report.add(each)
        if batch.bad:
            self.store.put_quarantined(batch.bad)
        return len(batch)


def import_dataset(
    dataset: Dataset, store: CatalogStore, progress: Progress = SILENT, batch_rows: int = BATCH
) -> ImportReport:
    """Bring a data set into a store; DataError before anything is written where its files are not as declared."""
    begin = time.perf_counter()
    dataset.check()
    run = _Import(dataset, store, progress, batch_rows)
    with run.writer:
        for part in dataset.parts():
            run.part(part)
    store.save_schema(dataset.schema)
    return ImportReport(
        dataset.schema.name,
        tuple(run.reports.values()),
        store.counts(),
        run.implied,
        tuple(run.shown),
        time.perf_counter() - begin,
    )


def describe_bad_row(row: BadRow) -> str:
    """One line about a bad row, for the terminal."""
    column = f", column {row.column}" if row.column else ""
    value = f" ({row.value[:80]!r} came)" if row.value else ""
    return f"{row.file}:{row.line}{column}: {row.reason}{value}"
