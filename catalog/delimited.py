"""Delimited text files, streamed: encodings, delimiters, quotes, gzip."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from catalog.errors import DataError
from catalog.records import BadRow
from catalog.source import Sequences, Table
from catalog.tables import SHOWN, RawRow
from catalog.textfile import count_lines, opened_text

UNDECODABLE = re.compile("[\udc80-\udcff]")
LARGEST_CELL = 1 << 20


@dataclass(frozen=True, slots=True)
class TextFile:
    """`catalog.tables.RowSource` of a delimited text file."""

    path: Path
    table: Table
    name: str

    def columns(self) -> list[str]:
        """Names of the columns; DataError where the file is missing, empty or unlike its declaration."""
        table = self.table
        if isinstance(table, Sequences):
            return []
        first = next(self.raw(), None)
        if table.columns:
            if isinstance(first, RawRow) and len(first.cells) != len(table.columns):
                raise DataError(
                    f"{self.name}: {len(table.columns)} columns were expected ({', '.join(table.columns)}), but line "
                    f"{first.line} of {self.path} has {len(first.cells)}; is {table.delimiter!r} its delimiter?"
                )
            return list(table.columns)
        if isinstance(first, RawRow):
            return first.cells
        raise DataError(f"{self.name}: a header line was expected, but {self.path} has no readable one")

    def rows(self, wanted: Collection[str]) -> Iterator[RawRow | BadRow]:
        """All rows after the header; of a wrong number of cells, undecodable or badly quoted ones as bad rows."""
        width, delimiter, is_header = len(self.columns()), self.table.delimiter, self.table.has_header
        for row in self.raw():
            if is_header and isinstance(row, RawRow):
                is_header = False
            elif isinstance(row, RawRow) and len(row.cells) != width and width:
                if self.table.last_takes_rest and len(row.cells) > width:
                    kept, rest = row.cells[: width - 1], delimiter.join(row.cells[width - 1 :])
                    yield RawRow(row.line, [*kept, rest])
                    continue
                shown, reason = delimiter.join(row.cells), f"{width} cells expected, {len(row.cells)} came"
                yield BadRow(self.name, row.line, "", shown[:SHOWN], reason, "cells")
            else:
                yield row

    def count(self) -> int:
        """Number of lines less the header; reads the whole file, so a damaged archive is found here."""
        return max(count_lines(self.path, self.name) - self.table.has_header, 0)

    def raw(self) -> Iterator[RawRow | BadRow]:
        """All rows as they are: of any width, and the header is one of them."""
        table = self.table
        with opened_text(self.path, self.name, table.encoding) as text:
            yield from (self._quoted if table.quoted and len(table.delimiter) == 1 else self._plain)(text)

    def _plain(self, text: IO[str]) -> Iterator[RawRow | BadRow]:
        delimiter, strip = self.table.delimiter, self.table.strip
        for number, line in enumerate(text, 1):
            line = line.rstrip("\r\n")
            if not line:
                continue
            if not line.isascii() and UNDECODABLE.search(line):
                yield self._undecodable(number, line)
                continue
            cells = line.split(delimiter)
            yield RawRow(number, [cell.strip() for cell in cells] if strip else cells)

    def _quoted(self, text: IO[str]) -> Iterator[RawRow | BadRow]:
        spoiled = False

        def watched() -> Iterator[str]:
            nonlocal spoiled
            for line in text:
                if not line.isascii() and UNDECODABLE.search(line):
                    spoiled = True
                yield line

        csv.field_size_limit(LARGEST_CELL)
        reader = csv.reader(watched(), delimiter=self.table.delimiter)
        strip = self.table.strip
        while True:
            spoiled, before = False, reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reason = f"lines {before + 1} to {reader.line_num} are not valid CSV: {error}"
                yield BadRow(self.name, reader.line_num, "", "", reason, "quotes")
                continue
            if not cells:
                continue
            if spoiled:
                yield self._undecodable(reader.line_num, self.table.delimiter.join(cells))
                continue
            yield RawRow(reader.line_num, [cell.strip() for cell in cells] if strip else cells)

    def _undecodable(self, line: int, shown: str) -> BadRow:
        return BadRow(self.name, line, "", shown[:SHOWN], f"not valid {self.table.encoding}", "encoding")
