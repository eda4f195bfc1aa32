"""Sorts of problems that raw data can have, and what to do about each.

A `BadRow` says what is wrong with one cell; its `kind` leads here, to what a person can do about all like it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from catalog.records import BadRow

ADVICE = {
    "cells": "mend the rows; if all are like that, the declaration's delimiter, quoted or columns are wrong",
    "encoding": "save the file in the declared encoding, or declare the one it has: encoding = \"latin-1\"",
    "quotes": "close the quotes in the file, or declare quoted = false where quotes are just text",
    "json": "each line must be one whole JSON object",
    "id": "give the row an id; if other columns hold one, declare them, or made_of",
    "repeated": "remove the rows in excess, or declare what they mean: merge = true, or latest = \"COLUMN\"",
    "number": "mend the cells, or declare remove = \"…\" for signs to drop, missing = [\"…\"] for words that "
    "mean nothing known, odd_is_missing = true for all",
    "bounds": "mend the cells, or declare the bounds that the type really has",
    "flag": "write 1 or 0",
    "time": "declare the unit that the column has: seconds, milliseconds, iso, or a format such as "
    "\"%d/%m/%Y %H:%M\"",
    "type": "declare the type under [types], or say with type_names or skip what the word means",
    "query": "give the search its words, or leave the row out",
    "picture": "write paths relative to the folder of the file, without ..",
    "unknown user": "add the users to their file, or declare implied = [\"users\"]",
    "unknown item": "add the items to their file, or declare implied = [\"items\"]",
}  # fmt: skip
"""What to do, by kind of problem."""


@dataclass(frozen=True, slots=True)
class Problem:
    """All bad rows of one kind in one column of one file."""

    file: str
    column: str
    kind: str
    count: int
    first: BadRow
    advice: str


@dataclass(slots=True)
class Tally:
    """Counts bad rows as they come by; memory grows with the kinds of problems, not with the rows."""

    _found: dict[tuple[str, str, str], tuple[int, BadRow]] = field(default_factory=dict)

    def add(self, row: BadRow) -> None:
        """Count a row."""
        key = (row.file, row.column, row.kind)
        count, first = self._found.get(key, (0, row))
        self._found[key] = (count + 1, first)

    def problems(self) -> tuple[Problem, ...]:
        """What was found, the most frequent first."""
        rows: Iterable[tuple[tuple[str, str, str], tuple[int, BadRow]]] = self._found.items()
        return tuple(
            Problem(*key, count, first, ADVICE.get(key[2], ""))
            for key, (count, first) in sorted(rows, key=lambda each: -each[1][0])
        )


def describe(row: BadRow) -> str:
    """One line about a bad row, for the terminal."""
    column = f", column {row.column}" if row.column else ""
    value = f" ({row.value[:80]!r} came)" if row.value else ""
    return f"{row.file}:{row.line}{column}: {row.reason}{value}"
