"""What rows are called and what an answer shows of them, for rows of a bundle and those that came after them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bundle.columns import BytesColumn
from catalog.records import IdMap, Ints


class Names:
    """Ids and rows of all items; `IdMap` that grows."""

    def __init__(self, base: IdMap) -> None:
        self._base = base
        self._added: list[str] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._base.ids) + len(self._added)

    def __getitem__(self, row: int) -> str:
        ids = self._base.ids
        return ids[row] if row < len(ids) else self._added[row - len(ids)]

    def row(self, name: str) -> int:
        """The row of an id, or -1 where it is not known."""
        row = self._base.row(name)
        return row if row >= 0 else self._rows.get(name, -1)

    def rows(self, names: Sequence[str]) -> Ints:
        """Rows `[n]` of ids, -1 where one is not known."""
        rows = self._base.rows(names)
        if self._rows and (rows < 0).any():
            for place in np.flatnonzero(rows < 0).tolist():
                rows[place] = self._rows.get(names[place], -1)
        return rows

    def add(self, name: str) -> int:
        """Give a new id the next row."""
        row = self._rows[name] = len(self)
        self._added.append(name)
        return row


class Pages:
    """What an answer shows of each item, as JSON; a `BytesColumn` in which rows are replaced."""

    def __init__(self, base: BytesColumn) -> None:
        self._base = base
        self._changed: dict[int, bytes] = {}

    def __getitem__(self, row: int) -> bytes:
        changed = self._changed
        return changed[row] if row in changed else self._base[row]

    def put(self, row: int, page: bytes) -> None:
        """Replace or add a row."""
        self._changed[row] = page
