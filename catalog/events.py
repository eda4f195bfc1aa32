"""Interactions from declared files: ids, type, time, value and official fold of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from catalog import documents
from catalog.cells import BadCellError, number, reader, reader_or_empty, timestamp
from catalog.dataset import Row
from catalog.errors import DataError
from catalog.records import BadRow, Interaction, ItemId, UserId
from catalog.schema import InteractionType
from catalog.source import Events
from catalog.tables import RawRow, TableFile

Key = tuple[str, str, float]
"""User, item and time: what tells a row of a fold's file which event it means."""


def used_by_events(events: Events) -> set[str]:
    """Names of all columns that a declaration reads."""
    cells = (events.user, events.item, events.timestamp, events.type_column, events.value, events.event_id)
    return {name for cell in cells if cell is not None for name in cell.columns}


def event_rows(
    events: Events,
    file: TableFile,
    folds: Sequence[tuple[TableFile, int]],
    types: Mapping[str, InteractionType],
    offset: int,
) -> Callable[[], Iterator[Row]]:
    """A function that streams the file. The line number, plus `offset`, orders events of equal times."""

    def rows() -> Iterator[Row]:
        convert = _converter(events, file, types)
        fold_of: dict[Key, int] = {}
        for fold_file, fold in folds:
            fold_convert = _converter(events, fold_file, types)
            for row in _converted(fold_file, fold_convert, {}, 0):
                if isinstance(row, BadRow):
                    yield row
                elif isinstance(row, Interaction):
                    fold_of[row.user_id, row.item_id, row.timestamp] = fold
        yield from _converted(file, convert, fold_of, offset)

    return rows


Convert = Callable[[RawRow, Mapping[Key, int], int], Interaction | None]


def _converted(file: TableFile, convert: Convert, fold_of: Mapping[Key, int], offset: int) -> Iterator[Row]:
    for row in file.rows():
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            event = convert(row, fold_of, offset + row.line)
        except BadCellError as error:
            yield BadRow(file.name, row.line, error.column, error.value, error.reason)
        else:
            if event is not None:
                yield event


def _converter(events: Events, file: TableFile, types: Mapping[str, InteractionType]) -> Convert:
    positions = file.positions(used_by_events(events))
    user, item = reader(events.user, positions), reader(events.item, positions)
    when, when_column = reader(events.timestamp, positions), ", ".join(events.timestamp.columns)
    value = reader_or_empty(events.value, positions)
    value_column = ", ".join(events.value.columns) if events.value else ""
    identity = reader_or_empty(events.event_id, positions)
    kind = reader(events.type_column, positions) if events.type_column is not None else None
    skipped = frozenset(events.skip)

    def convert(row: RawRow, fold_of: Mapping[Key, int], sequence: int) -> Interaction | None:
        cells = row.cells
        name = events.type
        if kind is not None:
            word = kind(cells)
            if word in skipped:
                return None
            name = events.type_names.get(word, word)
        declared = types.get(name or "")
        if name is None or declared is None:
            raise BadCellError("type", name or "", f"one of {', '.join(types)} was expected")
        user_id, item_id = user(cells), item(cells)
        for part, text, column in (("user", user_id, events.user), ("item", item_id, events.item)):
            try:
                documents.checked_id(text, f"the {part} id")
            except DataError as error:
                raise BadCellError(", ".join(column.columns), text, str(error)) from None
        time = timestamp(when(cells), events.unit, when_column)
        amount = _value(value(cells), declared, value_column) if declared.value else None
        return Interaction(
            UserId(user_id), ItemId(item_id), name, time, amount, identity(cells) or None,
            None, sequence, fold_of.get((user_id, item_id, time), 0),
        )  # fmt: skip

    return convert


def _value(text: str, declared: InteractionType, column: str) -> float:
    """The value of an event, within the declared bounds."""
    amount = number(text, column)
    low, high = declared.minimum, declared.maximum
    if (low is not None and amount < low) or (high is not None and amount > high):
        raise BadCellError(column, text, f"a number from {low:g} to {high:g} was expected")
    return amount
