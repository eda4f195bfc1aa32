"""From cells to values: a declared `Cell` compiled into a plain function of a row's cells."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from catalog.records import FeatureValue
from catalog.source import Cell, FeatureCell

Read = Callable[[list[str]], str]
"""The text of a cell; empty where nothing is known."""
ReadFeature = Callable[[list[str]], FeatureValue]
TRUE, FALSE = frozenset({"1", "true", "yes", "t", "y"}), frozenset({"", "0", "false", "no", "f", "n"})


class BadCellError(Exception):
    """A cell that cannot be what it is declared to be."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(column, value, reason)
        self.column, self.value, self.reason = column, value, reason


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


def number(text: str, column: str, remove: str = "") -> float:
    """A finite number, or BadCellError."""
    plain = text.translate({ord(each): None for each in remove}) if remove else text
    try:
        value = float(plain)
    except ValueError:
        raise BadCellError(column, text, "a number was expected") from None
    if not math.isfinite(value):
        raise BadCellError(column, text, "a finite number was expected")
    return value


def feature_reader(name: str, cell: FeatureCell, positions: Mapping[str, int]) -> ReadFeature:
    """A function that takes a feature's value out of a row."""
    if cell.flags:
        return _flags_reader(cell.flags, positions)
    read, column = reader(cell, positions), ", ".join(cell.columns)
    prefix, step, split, remove, names = cell.prefix, cell.step, cell.split, cell.remove, cell.names

    def numeric(row: list[str]) -> FeatureValue:
        text = read(row)
        return number(text, column, remove) if text else None

    def multi(row: list[str]) -> FeatureValue:
        parts = (part.strip() for part in read(row).split(split))
        return tuple(dict.fromkeys(part for part in parts if part))

    def categorical(row: list[str]) -> FeatureValue:
        text = read(row)
        if not text:
            return None
        if step is not None:
            return f"{math.floor(number(text, column, remove) / step) * step:g}"
        text = text[:prefix] if prefix is not None else text
        return names.get(text, text)

    return {"numeric": numeric, "multi": multi, "categorical": categorical}[cell.kind]


def _flags_reader(flags: Mapping[str, str], positions: Mapping[str, int]) -> ReadFeature:
    places = [(positions[column], column, value) for column, value in flags.items()]

    def read(row: list[str]) -> FeatureValue:
        raised = []
        for place, column, value in places:
            word = row[place].lower()
            if word in TRUE:
                raised.append(value)
            elif word not in FALSE:
                raise BadCellError(column, row[place], "a flag of 0 or 1 was expected")
        return tuple(raised)

    return read


def timestamp(text: str, unit: Literal["seconds", "milliseconds", "iso"], column: str) -> float:
    """Seconds since the epoch; ISO times without a zone are taken as UTC."""
    if unit == "iso":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadCellError(column, text, "an ISO-8601 time was expected") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not text:
        raise BadCellError(column, text, f"a time in {unit} was expected")
    value = number(text, column)
    return value / 1000 if unit == "milliseconds" else value
