"""Content for items of which only the id is known: rows of another table, dealt out by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.entities import EntityReader, Fields, as_item
from catalog.errors import DataError
from catalog.generated.traits import fraction
from catalog.records import Item
from catalog.source import Content


@dataclass(frozen=True, slots=True)
class StandIns:
    """Rows to deal out. The same id always gets the same one; several ids may share one."""

    rows: Sequence[Fields]

    @classmethod
    def read(cls, table: Content, reader: EntityReader) -> StandIns:
        """All readable rows of a table; DataError where there is none."""
        rows = [row[1] for row in reader.records(table) if isinstance(row, tuple)]
        if not rows:
            raise DataError(
                f"{table.file[0]} was expected to hold rows that stand in for items, but has none"
            )
        return cls(rows)

    def item(self, item_id: str) -> Item:
        """The record of an item that has no row of its own."""
        return as_item(item_id, self.rows[int(fraction(item_id) * len(self.rows))])
