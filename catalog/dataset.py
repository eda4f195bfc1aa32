"""A data set as the importer sees it: a schema, and parts that stream records and bad rows.

`catalog.files` reads one that `dataset.toml` declares, `catalog.simulated` invents one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from catalog.records import BadRow, Interaction, Item, User
from catalog.schema import DatasetSchema

Entity = Literal["items", "users", "interactions"]


class LeftOut:
    """A row that the declaration does not want: neither a record nor a problem, but counted."""


LEFT_OUT = LeftOut()
Row = Item | User | Interaction | BadRow | LeftOut


@dataclass(frozen=True, slots=True)
class Part:
    """One file's worth of records of one kind."""

    entity: Entity
    name: str
    """What reports call it: the file's name."""
    rows: Callable[[], Iterator[Row]]
    """Starts reading from the top; records and bad rows come in the order of the file."""
    total: int | None = None
    """About how many rows there are, for progress bars."""
    user_column: str = "user"
    """What the file calls the user of an event, for reports …"""
    item_column: str = "item"
    """… and the item."""


class Dataset(Protocol):
    """Something that can be imported."""

    @property
    def schema(self) -> DatasetSchema:
        """What it declares about itself."""

    @property
    def edition(self) -> str:
        """What it was made of, where records of another edition may not lie beside its own; else empty."""

    def check(self) -> None:
        """DataError where a file is missing, damaged or of the wrong columns; nothing is imported then."""

    def parts(self) -> Sequence[Part]:
        """Items first, then users, then interactions."""

    def implied_user(self, user_id: str) -> User | None:
        """The record of a user that only events name; None where every user must have one of their own."""

    def implied_item(self, item_id: str) -> Item | None:
        """The same of an item."""
