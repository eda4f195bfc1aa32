"""From a data set into the store: streamed in batches, checked first, idempotent throughout.

A second import changes nothing; one that was killed is finished by running it again. The schema is
written last, so its presence means that everything before it is there. Memory holds the ids of items and
users, and two batches; it does not grow with the events.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from catalog.dataset import Dataset, Entity, LeftOut, Part
from catalog.errors import DataError
from catalog.problems import Problem, Tally
from catalog.progress import SILENT, Progress
from catalog.records import BadRow, Interaction, Item, User
from catalog.store import CatalogStore, Counts, Written

BATCH = 5000
"""Rows read before they are written."""

SHOWN = 20
"""Bad rows that a report holds."""

Told = Callable[[BadRow], None]

LINE_MASK = (1 << 40) - 1
"""The part of an imported event's sequence that is its line; above it is the ordinal of its file."""


@dataclass(slots=True)
class FileReport:
    """What became of one file's rows: read = inserted + updated + unchanged + left out + bad."""

    name: str
    entity: Entity
    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    left_out: int = 0
    """Rows that the declaration does not want, or that were merged into others."""
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
    problems: tuple[Problem, ...]
    """All bad rows by file, column and kind, the most frequent first."""
    generated: tuple[str, ...]
    """What is made up, in sentences."""
    missing: tuple[str, ...]
    """Declared tables that were not there."""
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

    def __init__(
        self, dataset: Dataset, store: CatalogStore, progress: Progress, told: Told, batch_rows: int
    ) -> None:
        self.dataset, self.store, self.progress, self.batch_rows = dataset, store, progress, batch_rows
        self.told, self.tally = told, Tally()
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
            elif isinstance(row, LeftOut):
                report.read += 1
                report.left_out += 1
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
        self.told(row)
        self.tally.add(row)
        if len(self.shown) < SHOWN:
            self.shown.append(row)

    def record(self, batch: _Batch, row: Item | User) -> None:
        if isinstance(row, Item):
            self.known["items"].add(row.item_id)
            batch.items.append(row)
        else:
            self.known["users"].add(row.user_id)
            batch.users.append(row)

    def event(self, batch: _Batch, event: Interaction, part: Part) -> None:
        if event.user_id not in self.known["users"]:
            user = self.dataset.implied_user(event.user_id)
            if user is None:
                self.unknown(batch, event, part, "unknown user", part.user_column, event.user_id)
                return
            self.imply(batch.users, user, "users", event.user_id)
        if event.item_id not in self.known["items"] and event.query is None:
            item = self.dataset.implied_item(event.item_id)
            if item is None:
                self.unknown(batch, event, part, "unknown item", part.item_column, event.item_id)
                return
            self.imply(batch.items, item, "items", event.item_id)
        batch.events.append(event)

    def imply(self, rows: list[Any], record: Item | User, entity: str, key: str) -> None:
        self.known[entity].add(key)
        self.implied += 1
        rows.append(record)

    def unknown(
        self, batch: _Batch, event: Interaction, part: Part, reason: str, column: str, key: str
    ) -> None:
        line = event.sequence & LINE_MASK
        self.reject(batch, BadRow(part.name, line, column, key, reason, reason), part.entity, read=0)

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
    dataset: Dataset,
    store: CatalogStore,
    progress: Progress = SILENT,
    *,
    told: Told = lambda row: None,
    replace: bool = False,
    batch_rows: int = BATCH,
) -> ImportReport:
    """Bring a data set into a store.

    Args:
        told: hears of every bad row, as it is found.
        replace: whether everything that the store holds goes first.

    Raises:
        DataError: before anything is written: a file is not as declared, or the store holds records of
            another edition (`Dataset.edition`), beside which these may not lie.
    """
    begin = time.perf_counter()
    dataset.check()
    schema = dataset.schema
    if replace:
        store.clear()
    held = store.begin(dataset.edition)
    if held != dataset.edition:
        raise DataError(
            f"the catalogue of {schema.name} holds other made-up data: {held or 'none of it made up'}; these are: "
            f"{dataset.edition or 'none of it made up'}. The two do not mix; --replace empties the catalogue first, "
            "with all events that were recorded since"
        )
    run = _Import(dataset, store, progress, told, batch_rows)
    with run.writer:
        for part in dataset.parts():
            run.part(part)
    store.save_schema(schema)
    return ImportReport(
        schema.name,
        tuple(run.reports.values()),
        store.counts(),
        run.implied,
        tuple(run.shown),
        run.tally.problems(),
        schema.generated,
        schema.missing,
        time.perf_counter() - begin,
    )
