"""Rows of tables, wherever they lie: text files, JSON lines, Parquet, a database.

All of them give the same: cells of text in the order of the columns, and a bad row for what cannot be read.
What the cells mean is in `catalog.cells`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple, Protocol

from catalog.errors import ConfigError, DataError
from catalog.records import BadRow
from catalog.source import Table

LIST = "\x1f"
"""Between the entries of a cell that is a list: the separator of units, which no text holds."""
SHOWN = 200
"""Characters of a bad row that are kept."""


class RawRow(NamedTuple):
    """One row: the line on which it ends, from 1, and its cells in the order of the columns."""

    line: int
    cells: list[str]


class RowSource(Protocol):
    """One table."""

    @property
    def name(self) -> str:
        """What errors and reports call it."""

    @property
    def table(self) -> Table:
        """How it was declared."""

    def columns(self) -> list[str]:
        """Names of the columns; DataError where the table is missing, empty or unlike its declaration."""

    def rows(self, wanted: Collection[str]) -> Iterator[RawRow | BadRow]:
        """All rows, with at least the wanted columns filled; what cannot be read comes as a bad row."""

    def count(self) -> int | None:
        """About how many rows there are; DataError where the file is damaged. None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a data set lies: its own folder, the one whose folders may hold more about it, or a database."""

    folder: Path
    beside: Path
    database: str | None = None
    """An address as SQLAlchemy takes it."""
    database_tables: frozenset[str] = frozenset()

    def open(self, table: Table) -> list[RowSource]:
        """The declared table: one source, or several where `*` stands in its name; DataError where it is absent."""
        if table.folder is None and (name := self._database_table(table.file)) is not None:
            from catalog.database import DatabaseTable

            assert self.database is not None
            return [DatabaseTable(self.database, table, name)]
        folder = self._folder(table)
        names = present(folder, table.file)
        if not names:
            raise DataError(f"{' or '.join(table.file)} was expected at {folder}, but there is no such file")
        return [_file(folder / name, table, name) for name in names]

    def has(self, table: Table) -> bool:
        """Whether the table is there."""
        in_database = table.folder is None and self._database_table(table.file) is not None
        return in_database or bool(present(self._folder(table), table.file))

    def replaces(self, table: Table) -> bool:
        """Whether something is there that makes the table superfluous."""
        unless = table.unless
        return self._database_table(unless) is not None or bool(present(self.folder, unless))

    def reads(self, table: Table) -> bool:
        """Whether the table is there and is to be read."""
        return self.has(table) and not self.replaces(table)

    def _database_table(self, files: Sequence[str]) -> str | None:
        """The first of the files for which the database has a table; None where it has none."""
        return next((stem(file) for file in files if stem(file) in self.database_tables), None)

    def _folder(self, table: Table) -> Path:
        return self.folder if table.folder is None else self.beside / table.folder


def _file(path: Path, table: Table, name: str) -> RowSource:
    """The reader of a file, by the end of its name."""
    end = Path(name.removesuffix(".gz")).suffix
    if end in (".jsonl", ".ndjson"):
        from catalog.jsonlines import JsonLines

        return JsonLines(path, table, name)
    if end == ".parquet":
        from catalog.parquet import ParquetFile

        return ParquetFile(path, table, name)
    from catalog.delimited import TextFile

    return TextFile(path, table, name)


def stem(file: str) -> str:
    """What a database calls the table of a file: `in/user_data.csv.gz` is `user_data`."""
    return Path(file).name.split(".")[0]


def present(folder: Path, names: Sequence[str]) -> list[str]:
    """The first of the names that is in the folder, plain or gzipped; all that match it where it holds a `*`."""
    for name in names:
        if "*" in name:
            inner = Path(name).parent
            own, pattern = folder / inner, Path(name).name
            found = sorted(path.name for path in own.iterdir() if path.is_file()) if own.is_dir() else []
            matching = [
                each for each in found if any(fnmatchcase(each, one) for one in (pattern, f"{pattern}.gz"))
            ]
            if matching:
                return [str(inner / each) for each in matching]
            continue
        for variant in (name, f"{name}.gz", name.removesuffix(".gz")):
            if (folder / variant).is_file():
                return [variant]
    return []


def positions(source: RowSource, wanted: Collection[str]) -> dict[str, int]:
    """Position of each column, after making sure that all wanted ones are there."""
    found = source.columns()
    absent = sorted(set(wanted) - set(found))
    if absent and source.table.columns:
        raise ConfigError(f"{source.name}: columns {absent} are used but not in columns = {found}")
    if absent:
        raise DataError(
            f"{source.name}: columns {', '.join(absent)} were expected, but it has {', '.join(found)}; "
            f"mend the names in the declaration, or its delimiter ({source.table.delimiter!r})"
        )
    return {name: position for position, name in enumerate(found)}
