"""JSON lines: one object a line, whose keys are the columns; a key inside an object is `outer.inner`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from catalog.errors import DataError
from catalog.records import BadRow
from catalog.source import Table
from catalog.tables import SHOWN, RawRow
from catalog.textfile import count_lines, opened_text
from catalog.typed import text_of

LOOKED_AT = 10_000
"""Rows whose keys are the columns: objects need not all have the same."""


@dataclass(frozen=True, slots=True)
class JsonLines:
    """`catalog.tables.RowSource` of a file of JSON lines."""

    path: Path
    table: Table
    name: str

    def columns(self) -> list[str]:
        """All keys of the first rows, in the order in which they appear."""
        keys: dict[str, None] = {}
        for row in islice(self._objects(), LOOKED_AT):
            if not isinstance(row, BadRow):
                keys.update(dict.fromkeys(row[1]))
        if not keys:
            raise DataError(f"{self.name}: an object a line was expected, but {self.path} has none")
        return list(keys)

    def rows(self, wanted: Collection[str]) -> Iterator[RawRow | BadRow]:
        """All rows; a key that an object lacks is an empty cell."""
        columns = self.columns()
        for row in self._objects():
            if isinstance(row, BadRow):
                yield row
            else:
                line, found = row
                yield RawRow(line, [text_of(found.get(column)) for column in columns])

    def count(self) -> int:
        """Number of lines."""
        return count_lines(self.path, self.name)

    def _objects(self) -> Iterator[tuple[int, Mapping[str, Any]] | BadRow]:
        with opened_text(self.path, self.name) as text:
            for number, line in enumerate(text, 1):
                if line.isspace():
                    continue
                try:
                    document = json.loads(line)
                except (ValueError, RecursionError) as error:
                    reason = f"not valid JSON: {error}"
                    yield BadRow(self.name, number, "", line.strip()[:SHOWN], reason, "json")
                    continue
                if isinstance(document, dict):
                    yield number, dict(_flat(document))
                else:
                    shown, came = line.strip()[:SHOWN], type(document).__name__
                    yield BadRow(self.name, number, "", shown, f"an object expected, a {came} came", "json")


def _flat(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
