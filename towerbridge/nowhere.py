"""A catalogue that keeps nothing: what `towerbridge validate` imports into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.records import BadRow, IdMap, Interaction, InteractionLog, Item, User
from catalog.schema import DatasetSchema
from catalog.store import Counts, Written


class NowhereStore:
    """`CatalogStore` that counts what it is given and forgets it; memory does not grow with the data."""

    def __init__(self) -> None:
        self._items = self._users = self._interactions = self._bad = 0

    def save_schema(self, schema: DatasetSchema) -> None:
        """Forget it."""

    def load_schema(self) -> DatasetSchema | None:
        """Nothing is ever here."""
        return None

    def begin(self, edition: str) -> str:
        """Nothing else is ever here."""
        return edition

    def clear(self) -> None:
        """There is nothing to forget."""

    def put_items(self, items: Sequence[Item]) -> Written:
        """Count them as new."""
        self._items += len(items)
        return Written(len(items), 0, 0)

    def put_users(self, users: Sequence[User]) -> Written:
        """Count them as new."""
        self._users += len(users)
        return Written(len(users), 0, 0)

    def put_interactions(self, interactions: Sequence[Interaction]) -> Written:
        """Count them as new."""
        self._interactions += len(interactions)
        return Written(len(interactions), 0, 0)

    def put_quarantined(self, rows: Sequence[BadRow]) -> Written:
        """Count them as new."""
        self._bad += len(rows)
        return Written(len(rows), 0, 0)

    def quarantined(self) -> Iterator[BadRow]:
        """Nothing is kept."""
        return iter(())

    def items(self) -> Iterator[Item]:
        """Nothing is kept."""
        return iter(())

    def users(self) -> Iterator[User]:
        """Nothing is kept."""
        return iter(())

    def log(self, users: IdMap, items: IdMap, schema: DatasetSchema) -> InteractionLog:
        """Nothing is kept, so there is nothing to train on."""
        raise AssertionError("a data set that is only validated has no log")

    def counts(self) -> Counts:
        """How much came by."""
        return Counts(self._items, self._users, self._interactions, self._bad)
