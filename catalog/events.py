"""Interactions from declared tables: ids, type, time, value and official fold of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from catalog.cells import (
    BadCellError,
    checked,
    id_reader,
    number,
    reader,
    reader_or_empty,
    row_filter,
    timestamp_reader,
    used_columns,
)
from catalog.dataset import LEFT_OUT, Row
from catalog.records import BadRow, Interaction, ItemId, UserId
from catalog.schema import InteractionType
from catalog.source import Events, Sequences
from catalog.tables import RawRow, RowSource, positions

Key = tuple[str, str, float]
"""User, item and time: what tells a row of a fold's file which event it means."""
Types = Mapping[str, InteractionType]
SESSION_SECONDS = 3600.0
"""Between the beginnings of two sessions whose times are not known."""


def used_by_events(events: Events) -> set[str]:
    """Names of all columns that a declaration reads."""
    cells = (
        events.user, events.item, events.timestamp, events.type_column, events.value, events.query,
        events.event_id,
    )  # fmt: skip
    return used_columns(cells) | set(events.where)


def event_rows(
    events: Events, source: RowSource, folds: Sequence[tuple[RowSource, int]], types: Types, offset: int
) -> Iterator[Row]:
    """The events of a table, streamed. The line number, plus `offset`, orders events of equal times."""
    fold_of: dict[Key, int] = {}
    for fold_source, fold in folds:
        for row in _converted(events, fold_source, types, {}, 0):
            if isinstance(row, Interaction):
                fold_of[row.user_id, row.item_id, row.timestamp] = fold
            elif isinstance(row, BadRow):
                yield row
    yield from _converted(events, source, types, fold_of, offset)


def sequence_rows(sequences: Sequences, source: RowSource, offset: int) -> Iterator[Row]:
    """The events of a file of sessions, one a line, streamed."""
    for row in source.rows(()):
        if isinstance(row, BadRow):
            yield row
            continue
        user, begin = UserId(str(row.line)), row.line * SESSION_SECONDS
        for place, item in enumerate(cell for cell in row.cells if cell):
            try:
                item_id = ItemId(checked(item, "the item id", "item"))
            except BadCellError as error:
                yield error.in_row(source.name, row.line)
            else:
                yield Interaction(user, item_id, sequences.type, begin + place, sequence=offset + row.line)


Convert = Callable[[RawRow], Interaction | None]


def _converted(
    events: Events, source: RowSource, types: Types, fold_of: Mapping[Key, int], offset: int
) -> Iterator[Row]:
    convert = _converter(events, source, types, fold_of, offset)
    for row in source.rows(used_by_events(events)):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield convert(row) or LEFT_OUT
        except BadCellError as error:
            yield error.in_row(source.name, row.line)


def _converter(
    events: Events, source: RowSource, types: Types, fold_of: Mapping[Key, int], offset: int
) -> Convert:
    places = positions(source, used_by_events(events))
    user, user_column = id_reader(events.user, places), _column(events.user)
    item = id_reader(events.item, places) if events.item is not None else None
    item_column = _column(events.item)
    when = reader(events.timestamp, places) if events.timestamp is not None else None
    moment = timestamp_reader(events.unit, _column(events.timestamp), events.shift)
    value, value_column = reader_or_empty(events.value, places), _column(events.value)
    query, query_column = reader_or_empty(events.query, places), _column(events.query)
    identity = reader_or_empty(events.event_id, places)
    type_of = _type_reader(events, places, types)
    wanted = row_filter(events.where, places)

    def convert(row: RawRow) -> Interaction | None:
        line, cells = row
        name = type_of(cells) if wanted(cells) else None
        if name is None:
            return None
        declared = types[name]
        user_id = UserId(checked(user(cells), "the user id", user_column))
        item_id, words = ItemId(""), None
        if declared.query:
            words = query(cells)
            if not words:
                raise BadCellError(query_column, "", "the words of a search were expected", "query")
        else:
            item_id = ItemId(checked(item(cells) if item is not None else "", "the item id", item_column))
        time = moment(when(cells)) if when is not None else float(line)
        amount = _value(value(cells), declared, value_column) if declared.value else None
        fold = fold_of.get((user_id, item_id, time), 0) if fold_of else 0
        return Interaction(
            user_id, item_id, name, time, amount, identity(cells) or None, None, offset + line, fold, words
        )

    return convert


def _type_reader(
    events: Events, places: Mapping[str, int], types: Types
) -> Callable[[list[str]], str | None]:
    """The declared type of a row; None where its word says to leave the row out."""
    if events.type_column is None:
        return lambda cells: events.type
    read, skipped = reader(events.type_column, places), frozenset(events.skip)
    column = _column(events.type_column)

    def type_of(cells: list[str]) -> str | None:
        word = read(cells)
        if word in skipped:
            return None
        name = events.type_names.get(word, word)
        if name not in types:
            raise BadCellError(column, word, f"one of {', '.join(types)} was expected", "type")
        return name

    return type_of


def _column(cell: object) -> str:
    return ", ".join(getattr(cell, "columns", ()))


def _value(text: str, declared: InteractionType, column: str) -> float:
    """The value of an event, within the declared bounds."""
    amount = number(text, column)
    low, high = declared.minimum, declared.maximum
    if (low is not None and amount < low) or (high is not None and amount > high):
        raise BadCellError(column, text, f"a number from {low:g} to {high:g} was expected", "bounds")
    return amount
