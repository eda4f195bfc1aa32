"""A data set of tables, read as its `dataset.toml` declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count

from catalog.cells import Ancestors, code_of, used_columns
from catalog.dataset import Part, Row
from catalog.declaration import Declaration, Generated, Taxonomy, Traits
from catalog.entities import EntityReader, used_by
from catalog.errors import DataError
from catalog.events import event_rows, sequence_rows, used_by_events
from catalog.generated.behaviour import made_up_parts
from catalog.generated.stand_ins import StandIns
from catalog.generated.traits import draw_traits
from catalog.records import Item, ItemId, User, UserId
from catalog.schema import DatasetSchema
from catalog.source import Entity, Events, Table
from catalog.tables import Location, RowSource, positions
from catalog.taxonomies import read_tree

LINE_BITS = 40
"""Of an event's sequence: its line. Above them is the ordinal of its file, so files keep their order."""


@dataclass(frozen=True)
class FileDataset:
    """`catalog.dataset.Dataset` of declared tables."""

    declaration: Declaration
    location: Location

    @property
    def schema(self) -> DatasetSchema:
        """What it declares about itself, less what is not there, with what is made up."""
        absent = [table for table in self.declaration.tables() if not self.location.has(table)]
        missing = dict.fromkeys(table.file[0] for table in absent if not self.location.replaces(table))
        return self.declaration.schema_of(self.location.reads, self.generated, tuple(missing))

    @property
    def generated(self) -> Generated:
        """What of the data set is made up, because it is not there."""
        declared, made, reads = self.declaration, self.declaration.generated, self.location.reads
        items_are_there = declared.items is not None and reads(declared.items)
        users_are_there = declared.users is not None and reads(declared.users)
        return Generated(
            items=None if items_are_there or made.items is None or not reads(made.items) else made.items,
            users=None if users_are_there else made.users,
            behaviour=None if any(map(reads, (*declared.events, *declared.sequences))) else made.behaviour,
        )

    @property
    def edition(self) -> str:
        """What was made up, and from what; empty where nothing was."""
        made = self.generated
        if made == Generated():
            return ""
        files = [source.name for table in self._tables() for source in self.location.open(table)]
        return f"{' '.join(self.schema.generated)} ({code_of([made.model_dump_json(), *files])})"

    def check(self) -> None:
        """Read the heads of all files, and archives to their end; DataError where one is not as declared."""
        declared, made = self.declaration, self.generated
        tables = self._tables()
        if not made.behaviour and not any(t in tables for t in (*declared.events, *declared.sequences)):
            wanted = ", ".join(" or ".join(t.file) for t in (*declared.events, *declared.sequences))
            raise DataError(f"{wanted} was expected at {self.location.folder}, but there is no such file")
        for table in (*tables, *([made.items] if made.items is not None else [])):
            for source in self.location.open(table):
                positions(source, _used(table))
                source.count()
            if isinstance(table, Events):
                for source, _ in self._folds(table):
                    positions(source, _used(table))
                    source.count()

    def parts(self) -> list[Part]:
        """Items, users, then each file of events."""
        declared, tables, found = self.declaration, self._tables(), []
        if declared.items is not None and declared.items in tables:
            found.append(
                Part("items", self._name(declared.items), self._item_rows, self._count(declared.items))
            )
        if declared.users is not None and declared.users in tables:
            users = partial(EntityReader(self.location, {}).users, declared.users)
            found.append(Part("users", self._name(declared.users), users, self._count(declared.users)))
        offsets = (ordinal << LINE_BITS for ordinal in count())
        for table in filter(tables.__contains__, declared.events):
            found += [self._events_part(table, source, next(offsets)) for source in self.location.open(table)]
        for lines in filter(tables.__contains__, declared.sequences):
            # A line is many events, so nobody knows how many there will be.
            found += [
                Part("interactions", source.name, partial(sequence_rows, lines, source, next(offsets)))
                for source in self.location.open(lines)
            ]
        if (behaviour := self.generated.behaviour) is not None:
            found += made_up_parts(behaviour, declared.types, self._plain_items)
        return found

    def implied_user(self, user_id: str) -> User | None:
        """A user that only events name, with side features where they are made up."""
        if "users" not in self.declaration.implied:
            return None
        return User(UserId(user_id), draw_traits(self._traits, user_id) if self._traits is not None else {})

    def implied_item(self, item_id: str) -> Item | None:
        """An item that only events name, with content where another table stands in."""
        if "items" not in self.declaration.implied:
            return None
        return self._stand_ins.item(item_id) if self._stand_ins else Item(ItemId(item_id), title=item_id)

    @cached_property
    def _traits(self) -> Traits | None:
        return self.generated.users

    @cached_property
    def _stand_ins(self) -> StandIns | None:
        table = self.generated.items
        return None if table is None else StandIns.read(table, EntityReader(self.location, {}))

    def _tables(self) -> list[Table]:
        """The tables to read: those that are there, and those that have to be."""
        return [
            table
            for table in self.declaration.tables()
            if self.location.reads(table) or not (table.optional or self.location.replaces(table))
        ]

    def _events_part(self, events: Events, source: RowSource, offset: int) -> Part:
        rows = partial(event_rows, events, source, self._folds(events), self.declaration.types, offset)
        columns = (", ".join(cell.columns) if cell is not None else "" for cell in (events.user, events.item))
        return Part("interactions", source.name, rows, source.count(), *columns)

    def _name(self, table: Table) -> str:
        return ", ".join(source.name for source in self.location.open(table))

    def _count(self, table: Table) -> int | None:
        counts = [source.count() for source in self.location.open(table)]
        return None if None in counts else sum(each or 0 for each in counts)

    def _folds(self, events: Events) -> list[tuple[RowSource, int]]:
        return [
            (source, fold.fold)
            for fold in events.folds
            for source in self.location.open(events.model_copy(update={"file": fold.file}))
        ]

    def _item_rows(self) -> Iterator[Row]:
        """Problems of the taxonomies, then the items."""
        trees: dict[str, Ancestors] = {}
        for name, taxonomy in self.declaration.taxonomies.items():
            if taxonomy in self._tables():
                trees[name], bad = read_tree(taxonomy, self.location)
                yield from bad
        assert self.declaration.items is not None
        yield from EntityReader(self.location, trees).items(self.declaration.items)

    def _plain_items(self) -> Iterator[Item]:
        return (row for row in self._item_rows() if isinstance(row, Item))


def _used(table: Table) -> set[str]:
    """Names of all columns that a declaration reads."""
    if isinstance(table, Entity):
        return used_by(table)
    if isinstance(table, Events):
        return used_by_events(table)
    return used_columns([table.id, table.parent]) if isinstance(table, Taxonomy) else set()
