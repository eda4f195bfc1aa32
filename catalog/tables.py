"""Rows of delimited text files, streamed; what cannot be read becomes a bad row and the rest goes on.

Knows encodings, delimiters, quotes and gzip. What the cells mean is in `catalog.cells`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from catalog.errors import ConfigError, DataError
from catalog.records import BadRow
from catalog.source import Table

UNDECODABLE = re.compile("[\udc80-\udcff]")
LARGEST_CELL = 1 << 20
SHOWN = 200
"""Characters of a bad row that are kept."""


def present(folder: Path, names: Sequence[str]) -> str | None:
    """The first of the names that is in the folder, as it is, gzipped or gunzipped; None where none is."""
    for name in names:
        for variant in (name, f"{name}.gz", name.removesuffix(".gz")):
            if (folder / variant).is_file():
                return variant
    return None


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row: the line on which it ends, from 1, and its cells in the order of the columns."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A declared table and where it lies. `name` is what errors and reports call it."""

    path: Path
    table: Table
    name: str

    def columns(self) -> dict[str, int]:
        """Position of each column; DataError where the file is missing, empty or unlike its declaration."""
        table = self.table
        if not self.path.is_file():
            raise DataError(f"{self.name} was expected at {self.path}, but there is no such file")
        first = next((row for row in self._read(with_header=True)), None)
        if table.columns:
            if isinstance(first, RawRow) and len(first.cells) != len(table.columns):
                raise DataError(
                    f"{self.name}: {len(table.columns)} columns were expected ({', '.join(table.columns)}), but line "
                    f"{first.line} of {self.path} has {len(first.cells)}; is {table.delimiter!r} its delimiter?"
                )
            names = list(table.columns)
        elif isinstance(first, RawRow):
            names = first.cells
        else:
            raise DataError(f"{self.name}: a header line was expected, but {self.path} has no readable one")
        return {name: position for position, name in enumerate(names)}

    def positions(self, wanted: set[str]) -> dict[str, int]:
        """Positions of the columns, after making sure that all wanted ones are there."""
        found = self.columns()
        absent = sorted(wanted - set(found))
        if absent and self.table.columns:
            raise ConfigError(f"{self.name}: columns {absent} are used but not in columns = {list(found)}")
        if absent:
            raise DataError(
                f"{self.name}: columns {', '.join(absent)} were expected, but {self.path} has "
                f"{', '.join(found)}; is {self.table.delimiter!r} its delimiter?"
            )
        return found

    def rows(self) -> Iterator[RawRow | BadRow]:
        """All rows after the header; of a wrong number of cells, undecodable or badly quoted ones as bad rows."""
        width = len(self.columns())
        for row in self._read(with_header=False):
            if isinstance(row, RawRow) and len(row.cells) != width:
                shown = self.table.delimiter.join(row.cells)[:SHOWN]
                yield BadRow(self.name, row.line, "", shown, f"{width} cells expected, {len(row.cells)} came")
            else:
                yield row

    def count(self) -> int:
        """Number of lines less the header; reads the whole file, so a damaged archive is found here."""
        lines, last = 0, b"\n"
        try:
            with self._open() as handle:
                while block := handle.read(1 << 20):
                    lines += block.count(b"\n")
                    last = block[-1:]
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self.name}: {self.path} is damaged or cannot be read: {error}") from error
        return max(lines + (last != b"\n") - (not self.table.columns), 0)

    def _open(self) -> IO[bytes]:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rb")  # type: ignore[return-value]
        return self.path.open("rb")

    def _read(self, with_header: bool) -> Iterator[RawRow | BadRow]:
        table = self.table
        skip_header = not with_header and not table.columns
        # The byte order mark that some programs write is no part of the first column's name.
        encoding = "utf-8-sig" if table.encoding.lower() in ("utf-8", "utf8") else table.encoding
        try:
            with (
                self._open() as raw,
                io.TextIOWrapper(raw, encoding, errors="surrogateescape", newline="") as text,
            ):
                split = self._quoted if table.quoted and len(table.delimiter) == 1 else self._plain
                for row in split(text):
                    if skip_header and isinstance(row, RawRow):
                        skip_header = False
                        continue
                    yield row
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            raise DataError(f"{self.name}: {self.path} is damaged or cannot be read: {error}") from error

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
                yield BadRow(self.name, reader.line_num, "", "", reason)
                continue
            if not cells:
                continue
            if spoiled:
                yield self._undecodable(reader.line_num, self.table.delimiter.join(cells))
                continue
            yield RawRow(reader.line_num, [cell.strip() for cell in cells] if strip else cells)

    def _undecodable(self, line: int, shown: str) -> BadRow:
        return BadRow(self.name, line, "", shown[:SHOWN], f"not valid {self.table.encoding}")
