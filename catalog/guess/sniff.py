"""The tables of a folder, and how each of them is to be read: delimiter, quotes, encoding, header."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from catalog.delimited import TextFile
from catalog.errors import DataError
from catalog.source import Table
from catalog.tables import RawRow
from catalog.textfile import opened

TEXT = (".csv", ".tsv", ".txt", ".dat", ".data")
TYPED = (".jsonl", ".ndjson", ".parquet")
DELIMITERS = (",", "\t", ";", "|", "::")
LOOKED_AT = 200
"""Rows by which a delimiter is chosen."""
HEAD = 1 << 20
"""Bytes by which an encoding is chosen."""
NUMBER = re.compile(r"[+-]?[\d.,:/ -]*\d[\d.,:/ -]*")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that holds a table."""

    table: Table
    doubts: tuple[str, ...] = ()


def tables_of(folder: Path) -> list[Found]:
    """The tables of a folder, in order of name; files that are none are passed over."""
    found = []
    for path in sorted(folder.iterdir()):
        end = Path(path.name.removesuffix(".gz")).suffix.lower()
        if not path.is_file() or path.name.startswith("."):
            continue
        if end in TYPED:
            found.append(Found(Table(file=(path.name,))))
        elif end in TEXT and (sniffed := _sniff(path)) is not None:
            found.append(sniffed)
    return found


def _sniff(path: Path) -> Found | None:
    """How a text file is to be read; None where it is no table."""
    encoding, doubts = _encoding(path)
    best: tuple[float, int, Table, list[list[str]]] | None = None
    for delimiter in DELIMITERS:
        for quoted in (True, False) if len(delimiter) == 1 else (False,):
            table = Table(file=(path.name,), delimiter=delimiter, quoted=quoted, encoding=encoding)
            rows = _rows(path, table)
            if not rows:
                return None
            width, count = Counter(map(len, rows)).most_common(1)[0]
            score = count / len(rows)
            if width > 1 and (best is None or (score, width) > best[:2]):
                best = score, width, table, rows
    if best is None:
        # One column is a table where it has a name: a list of ids.
        table = Table(file=(path.name,), encoding=encoding)
        best = 1.0, 1, table, _rows(path, table)
        if not re.fullmatch(r"\w{1,40}", "".join(best[3][0])):
            return None
    score, width, table, rows = best
    if score < 0.9:
        doubts = (*doubts, f"{path.name} has rows of different lengths; most have {width} cells.")
    if not _has_header(rows):
        table = table.model_copy(update={"columns": tuple(f"c{number + 1}" for number in range(width))})
        doubts = (
            *doubts,
            f"{path.name} seems to have no header; its columns are called c1, c2, … by position.",
        )
    return Found(table, doubts)


def _rows(path: Path, table: Table) -> list[list[str]]:
    try:
        read = islice(TextFile(path, table, path.name).raw(), LOOKED_AT)
        return [row.cells for row in read if isinstance(row, RawRow)]
    except DataError:
        return []


def _encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    with opened(path, path.name) as handle:
        head = handle.read(HEAD)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", ()
    try:
        # The last character of the head may be cut in two.
        head[: len(head) - 4 * (len(head) == HEAD)].decode("utf-8")
    except UnicodeDecodeError:
        encoding = "cp1252" if any(0x80 <= byte < 0xA0 for byte in head) else "latin-1"
        return encoding, (f"{path.name} is not UTF-8; it is read as {encoding}.",)
    return "utf-8", ()


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: short words, all different, where numbers follow or names fit."""
    first, rest = rows[0], rows[1:]
    if len(set(first)) < len(first) or any(NUMBER.fullmatch(cell) for cell in first) or "" in first[1:]:
        return False
    if not rest:
        return True
    below = [[row[place] for row in rest if len(row) > place and row[place]] for place in range(len(first))]
    if any(name in cells for name, cells in zip(first, below, strict=True)):
        return False
    numbers = any(cells and all(map(NUMBER.fullmatch, cells)) for cells in below)
    return numbers or all(re.fullmatch(r"[\w .:#-]{0,40}", cell) for cell in first)
