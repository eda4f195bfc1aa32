"""From cells to values: a declared `Cell` compiled into a plain function of a row's cells."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from catalog import documents
from catalog.errors import DataError
from catalog.records import BadRow, FeatureValue
from catalog.source import Cell, FeatureCell, IdCell
from catalog.tables import LIST

Read = Callable[[list[str]], str]
"""The text of a cell; empty where nothing is known."""
ReadFeature = Callable[[list[str]], FeatureValue]
Ancestors = Mapping[str, tuple[str, ...]]
"""A taxonomy: each category with those above it, itself first."""
TRUE, FALSE = frozenset({"1", "true", "yes", "t", "y"}), frozenset({"", "0", "false", "no", "f", "n"})


class BadCellError(Exception):
    """A cell that cannot be what it is declared to be; `kind` is a key of `catalog.problems.ADVICE`."""

    def __init__(self, column: str, value: str, reason: str, kind: str) -> None:
        super().__init__(column, value, reason, kind)
        self.column, self.value, self.reason, self.kind = column, value, reason, kind

    def in_row(self, file: str, line: int) -> BadRow:
        """The row that holds the cell, as a problem."""
        return BadRow(file, line, self.column, self.value, self.reason, self.kind)


def used_columns(cells: Iterable[Cell | None]) -> set[str]:
    """Names of all columns that the cells read."""
    used: set[str] = set()
    for cell in cells:
        if cell is not None:
            used.update(cell.columns)
        if isinstance(cell, IdCell):
            used.update(cell.made_of)
        if isinstance(cell, FeatureCell):
            used.update(cell.flags)
            used.update([cell.below] if cell.below else [])
    return used


def reader(cell: Cell, positions: Mapping[str, int]) -> Read:
    """A function that takes the cell's text out of a row."""
    places = [positions[name] for name in cell.columns]
    missing = frozenset(cell.missing)
    if len(places) == 1 and not missing and cell.pattern is None:
        place = places[0]
        return lambda row: row[place]
    search = re.compile(cell.pattern).search if cell.pattern is not None else None
    joint = cell.join

    def read(row: list[str]) -> str:
        found = [text for place in places if (text := row[place]) and text not in missing]
        if not found:
            return ""
        text = found[0] if joint is None else joint.join(found)
        if search is None:
            return text
        match = search(text)
        return (match.group(1) or "") if match else ""

    return read


def reader_or_empty(cell: Cell | None, positions: Mapping[str, int]) -> Read:
    """The same for a cell that need not be declared."""
    return reader(cell, positions) if cell is not None else lambda row: ""


def id_reader(cell: IdCell, positions: Mapping[str, int]) -> Read:
    """The same for an id, which is made of other columns where the cell has none and the declaration says so."""
    read = reader(cell, positions)
    places = [positions[name] for name in cell.made_of]
    if not places:
        return read
    return lambda row: read(row) or code_of(row[place] for place in places)


def code_of(parts: Iterable[str]) -> str:
    """Ten capital letters and digits that stand for some texts: the first 50 bits of a digest, in base 32."""
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=10).digest()
    return base64.b32encode(digest).decode()[:10]


def checked(text: str, what: str, column: str) -> str:
    """An id that a store can hold, or BadCellError."""
    try:
        return documents.checked_id(text, what)
    except DataError as error:
        raise BadCellError(column, text, str(error), "id") from None


def number(text: str, column: str, remove: str = "") -> float:
    """A finite number, or BadCellError."""
    plain = text.translate({ord(each): None for each in remove}) if remove else text
    try:
        value = float(plain)
    except ValueError:
        raise BadCellError(column, text, "a number was expected", "number") from None
    if not math.isfinite(value):
        raise BadCellError(column, text, "a finite number was expected", "number")
    return value


def feature_reader(
    cell: FeatureCell, positions: Mapping[str, int], taxonomies: Mapping[str, Ancestors]
) -> ReadFeature:
    """A function that takes a feature's value out of a row."""
    if cell.flags:
        return _flags_reader(cell.flags, positions)
    if cell.kind == "numeric":
        return _numeric_reader(cell, positions)
    read, column = reader(cell, positions), ", ".join(cell.columns)
    prefix, step, split, remove, names = cell.prefix, cell.step, cell.split, cell.remove, cell.names
    if cell.taxonomy is not None:
        above = taxonomies.get(cell.taxonomy, {})
        return lambda row: above.get(text, (text,)) if (text := read(row)) else ()

    def multi(row: list[str]) -> FeatureValue:
        text = read(row)
        parts = text.split(LIST if LIST in text or split is None else split)
        return tuple(dict.fromkeys(each for part in parts if (each := part.strip())))

    def categorical(row: list[str]) -> FeatureValue:
        text = read(row)
        if not text:
            return None
        if step is not None:
            return f"{math.floor(number(text, column, remove) / step) * step:g}"
        text = text[:prefix] if prefix is not None else text
        return names.get(text, text)

    return multi if cell.kind == "multi" else categorical


def _numeric_reader(cell: FeatureCell, positions: Mapping[str, int]) -> ReadFeature:
    read, column, remove = reader(cell, positions), ", ".join(cell.columns), cell.remove
    drop = {ord(each): None for each in remove}
    below = positions[cell.below] if cell.below is not None else None

    def parse(text: str) -> float | None:
        if not text:
            return None
        if cell.odd_is_missing:
            try:
                value = float(text.translate(drop))
            except ValueError:
                return None
            return value if math.isfinite(value) else None
        return number(text, column, remove)

    def share_below(row: list[str]) -> FeatureValue:
        assert below is not None
        part, whole = parse(read(row)), parse(row[below])
        return None if part is None or not whole or not 0 <= part <= whole else 1 - part / whole

    return (lambda row: parse(read(row))) if below is None else share_below


def _flags_reader(flags: Mapping[str, str], positions: Mapping[str, int]) -> ReadFeature:
    places = [(positions[column], column, value) for column, value in flags.items()]

    def read(row: list[str]) -> FeatureValue:
        return tuple(value for place, column, value in places if flag(row[place], column))

    return read


def flag(text: str, column: str) -> bool:
    """Whether a cell says yes, or BadCellError."""
    word = text.lower()
    if word in TRUE:
        return True
    if word not in FALSE:
        raise BadCellError(column, text, "a flag of 0 or 1 was expected", "flag")
    return False


def timestamp_reader(unit: str, column: str, shift: float = 0) -> Callable[[str], float]:
    """A function from a text to seconds since the epoch; times without a zone are taken as UTC."""

    def iso(text: str) -> float:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadCellError(column, text, "an ISO-8601 time was expected", "time") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() + shift

    def formatted(text: str) -> float:
        try:
            moment = datetime.strptime(text, unit)
        except ValueError:
            raise BadCellError(column, text, f"a time like {unit} was expected", "time") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() + shift

    scale = 1000.0 if unit == "milliseconds" else 1.0

    def counted(text: str) -> float:
        if not text:
            raise BadCellError(column, text, f"a time in {unit} was expected", "time")
        try:
            return number(text, column) / scale + shift
        except BadCellError as error:
            raise BadCellError(column, text, error.reason, "time") from None

    return iso if unit == "iso" else formatted if "%" in unit else counted


def row_filter(
    where: Mapping[str, tuple[str, ...]], positions: Mapping[str, int]
) -> Callable[[list[str]], bool]:
    """Whether a row is one that the declaration wants."""
    tests = [(positions[column], frozenset(words)) for column, words in where.items()]
    if not tests:
        return lambda row: True
    if len(tests) == 1:
        place, words = tests[0]
        return lambda row: row[place] in words
    return lambda row: all(row[place] in words for place, words in tests)
