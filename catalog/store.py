"""Where records live, as the rest of the project sees it.

Two Protocols for two worlds: `CatalogStore` is synchronous and streams whole collections for the jobs;
`LiveStore` is asynchronous, and answers about and writes single records for serving. `catalog.mongo` has both on
MongoDB, `catalog.memory` both in memory; one contract test class holds all of them to the same promises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from catalog.records import BadRow, IdMap, Interaction, InteractionLog, Item, User
from catalog.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch of writes changed."""

    inserted: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records a store holds."""

    items: int
    users: int
    interactions: int
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class EventColumns:
    """One user's events, oldest first, as parallel lists: what a recommendation reads of them, and no more."""

    items: list[str]
    types: list[str]
    values: list[float | None]
    times: list[float]

    def take(self, places: Sequence[int]) -> EventColumns:
        """Some of the events."""
        columns = (self.items, self.types, self.values, self.times)
        return EventColumns(*([column[at] for at in places] for column in columns))  # type: ignore[arg-type]


LIVE = 10**15
"""`Interaction.sequence` from which on it is a time, in nanoseconds since the epoch; below it is a row of a file."""


@dataclass(frozen=True, slots=True)
class News:
    """Live events of all users in the order in which they came, as parallel lists."""

    events: EventColumns
    sequences: list[int]
    keys: list[object]
    """What tells one event from all others."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One version of an item's record."""

    item: Item
    updated: float
    """When it was written, in seconds since the epoch by the writer's clock; tells versions apart."""
    deleted: bool = False
    """Kept for what users did with it, but not there any more for anybody who asks."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an item's record tells that answers do not carry."""

    text: str
    address: str | None
    """Where on the web the picture is; None where it is elsewhere, or there is none."""


class CatalogStore(Protocol):
    """Whole collections, for import and training. Every write is idempotent."""

    def save_schema(self, schema: DatasetSchema) -> None:
        """Remember the declared schema of this data set."""

    def load_schema(self) -> DatasetSchema | None:
        """The schema saved at import, or None where nothing was imported."""

    def begin(self, edition: str) -> str:
        """Remember which edition of a data set is being imported, unless one is; the remembered one is returned."""

    def clear(self) -> None:
        """Forget everything: records, events, the quarantine, the schema and the edition."""

    def put_items(self, items: Sequence[Item]) -> Written:
        """Insert or replace by id."""

    def put_users(self, users: Sequence[User]) -> Written:
        """Insert or replace by id."""

    def put_interactions(self, interactions: Sequence[Interaction]) -> Written:
        """Insert what is not there yet; the identity is `event_id`, else (user, item, type, time, value)."""

    def put_quarantined(self, rows: Sequence[BadRow]) -> Written:
        """Keep rows that could not be read; the same row of the same file is kept once."""

    def quarantined(self) -> Iterator[BadRow]:
        """All rows kept aside, in order of file and line."""

    def items(self) -> Iterator[Item]:
        """All items in order of id."""

    def users(self) -> Iterator[User]:
        """All users in order of id."""

    def log(self, users: IdMap, items: IdMap, schema: DatasetSchema) -> InteractionLog:
        """All events between known users and items, sorted by (user row, time, sequence)."""

    def counts(self) -> Counts:
        """Exact record counts."""


class RecordStore(Protocol):
    """Items and users one at a time, and which items change, for serving. Writes are durable when they return."""

    async def item(self, item_id: str) -> StoredItem | None:
        """The item's record, a deleted one too; None for one that never was."""

    async def told(self, item_ids: Sequence[str]) -> dict[str, Told]:
        """Texts and addresses of pictures of many items, by id; those that never were are left out."""

    async def put_item(
        self, item: Item, *, deleted: bool = False, over: float | None = None
    ) -> StoredItem | None:
        """Insert or replace an item.

        Args:
            item: the new record.
            deleted: whether it is to be gone from now on.
            over: replace only the version that was written then; None where that is not the present one.
        """

    def watch_items(self, since: float) -> AsyncIterator[list[StoredItem]]:
        """Items that changed at or after a moment, then without end those that change.

        An empty list says that all so far has been told. What changed about then may come again, and of several
        quick changes of one item the earlier may be left out. Close it when done.
        """

    async def put_user(self, user: User) -> bool:
        """Insert or replace a user; True where there was none."""

    async def forget_user(self, user_id: str) -> tuple[bool, int]:
        """Remove a user and all their events: whether there was a record, and how many events."""


class LiveStore(RecordStore, Protocol):
    """One user at a time, for serving."""

    async def user(self, user_id: str) -> User | None:
        """The user's record, or None for somebody unknown."""

    async def recent(
        self, user_id: str, limit: int, before: float | None = None, since: float | None = None
    ) -> list[Interaction]:
        """The user's latest events, oldest first, strictly before / not before the given epoch seconds."""

    async def columns(self, user_id: str, limit: int, before: float | None = None) -> EventColumns:
        """The same events as `recent`, in columns: read with every recommendation, so made of as little as can be."""

    async def news(self, since: int, limit: int) -> News:
        """The first `limit` live events with items whose `sequence` is `since` nanoseconds or later.

        Writers' clocks differ and writes take their time, so an event may appear among those that were told before.
        """

    async def append(self, interactions: Iterable[Interaction]) -> Written:
        """Durably add events: returns once they are journaled and majority-committed."""

    async def ping(self) -> None:
        """Return if the store answers; raise StoreError if not."""
