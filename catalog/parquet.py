"""Parquet files, read batch by batch; needs pyarrow, which the extra `parquet` brings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import ConfigError, DataError
from catalog.records import BadRow
from catalog.source import Table
from catalog.tables import RawRow
from catalog.typed import text_of

BATCH = 4096


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """`catalog.tables.RowSource` of a Parquet file."""

    path: Path
    table: Table
    name: str

    def columns(self) -> list[str]:
        """Names of the columns."""
        with self._opened() as file:
            return list(file.schema_arrow.names)

    def rows(self, wanted: Collection[str]) -> Iterator[RawRow | BadRow]:
        """All rows; only the wanted columns are read, the other cells are empty."""
        columns = self.columns()
        places = [place for place, column in enumerate(columns) if column in wanted]
        row = 0
        with self._opened() as file:
            for batch in file.iter_batches(BATCH, columns=[columns[place] for place in places]):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    row += 1
                    cells = [""] * len(columns)
                    for place, value in zip(places, values, strict=True):
                        cells[place] = text_of(value)
                    yield RawRow(row, cells)

    def count(self) -> int:
        """Number of rows, as the file's footer says."""
        with self._opened() as file:
            return int(file.metadata.num_rows)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            import pyarrow
            import pyarrow.parquet
        except ModuleNotFoundError:
            raise ConfigError(
                f"{self.name} is a Parquet file, which needs pyarrow: pip install 'towerbridge[parquet]'"
            ) from None
        try:
            with pyarrow.parquet.ParquetFile(self.path) as file:
                yield file
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{self.name}: {self.path} is damaged or cannot be read: {error}") from error
