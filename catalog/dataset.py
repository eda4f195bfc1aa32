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
Row = Item | User | Interaction | BadRow


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


class Dataset(Protocol):
    """Something that can be imported."""

    @property
    def schema(self) -> DatasetSchema:
        """What it declares about itself."""

    @property
    def implied(self) -> tuple[str, ...]:
        """Which of "users" and "items" events may name without a record of their own."""

    def check(self) -> None:
        """DataError where a file is missing, damaged or of the wrong columns; nothing is imported then."""

    def parts(self) -> Sequence[Part]:
        """Items first, then users, then interactions."""
