"""From a folder of files to a declaration that imports as written, and a list of what is unsure about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from catalog.declaration import parse
from catalog.errors import DataError
from catalog.files import FileDataset
from catalog.guess import write
from catalog.guess.columns import Reading, read_items, read_users
from catalog.guess.profile import LOOKED_AT, Column, Profile, profile
from catalog.guess.roles import EntityRoles, Roles, roles_of
from catalog.guess.sniff import tables_of
from catalog.problems import Tally, describe
from catalog.records import BadRow
from catalog.tables import Location

CATEGORY = ("category", "categories", "genre", "topic", "department", "type", "section")
TRIED = 10_000
"""Rows of each table that are read with the guessed declaration, to see whether it fits."""


@dataclass(frozen=True)
class Guess:
    """A declaration, and what a person should look at."""

    text: str
    doubts: tuple[str, ...]
    tables: tuple[tuple[str, str], ...]
    """What each file was taken for."""


def guess(folder: Path) -> Guess:
    """Look at the tables of a folder; DataError where none of them holds events."""
    location = Location(folder.resolve(), folder.resolve().parent)
    found = tables_of(folder)
    doubts = [doubt for each in found for doubt in each.doubts]
    profiles = [profile(source) for each in found for source in location.open(each.table)]
    roles = roles_of(profiles)
    items, users = _read_items(roles.items, folder), _read_users(roles.users)
    tastes = _tastes(items)
    if not roles.events and not (tastes and roles.users is None):
        raise _no_events(folder, profiles)
    doubts += roles.doubts
    implied = _implied(roles, doubts) if roles.events else []
    kinds = [write.guess_types(events) for events in roles.events]
    types = {name: words for each in kinds for name, words in each.declared.items()} or {"view": {}}
    doubts += [doubt for _, _, reading in items for doubt in reading.doubts]
    doubts += _doubts_of_events(roles, types)
    sections = [
        write.types(types),
        *_entity_sections("items", items),
        *_entity_sections("users", users),
        *(write.events(events, kind) for events, kind in zip(roles.events, kinds, strict=True)),
    ]
    name, title, category = _name(folder), folder.resolve().name, _category(tastes)
    if not roles.events:
        doubts.append(
            "No table of events was found; users and views are made up, so that everything can be tried."
        )
        sections.append(write.behaviour(category or next(iter(tastes)), list(tastes)))

    def text() -> str:
        return "\n\n".join([write.header(name, title, implied, category, doubts), *sections]) + "\n"

    doubts += _tried(text(), location)
    return Guess(text(), tuple(doubts), _taken_for(roles))


def _no_events(folder: Path, profiles: Sequence[Profile]) -> DataError:
    seen = "; ".join(f"{each.name}: {', '.join(c.name for c in each.columns)}" for each in profiles)
    return DataError(
        f"{folder} was expected to hold a table of events, with a column for the user and one for the item; "
        f"{f'this was found: {seen}' if seen else 'there is no CSV, Parquet or JSONL file'}"
    )


Readings = list[tuple[Profile, Column, Reading]]
"""A table with its key and what its columns say; the first is the main one, the others join it."""


def _read_items(roles: EntityRoles | None, folder: Path) -> Readings:
    found: Readings = []
    for table, key in roles.tables if roles is not None else ():
        taken = [name for _, _, reading in found for name in reading.features]
        found.append((table, key, read_items(table.columns, key, folder, table.name, taken)))
    return found


def _read_users(roles: EntityRoles | None) -> Readings:
    found: Readings = []
    for table, key in roles.tables if roles is not None else ():
        taken = [name for _, _, reading in found for name in reading.features]
        found.append((table, key, read_users(table.columns, key, taken)))
    return found


def _entity_sections(what: str, readings: Readings) -> list[str]:
    return [
        write.entity(f"[[{what}.joins]]" if number else f"[{what}]", table, key, reading)
        for number, (table, key, reading) in enumerate(readings)
    ]


def _implied(roles: Roles, doubts: list[str]) -> list[str]:
    """What events name without a row of its own, by the rows that were looked at."""
    implied = []
    for what, entity, named in (
        ("users", roles.users, [events.user for events in roles.events]),
        ("items", roles.items, [events.item for events in roles.events]),
    ):
        if entity is None:
            implied.append(what)
            doubts.append(f"No table of {what} was found; those that events name are all there are.")
            continue
        unknown = set().union(*(column.values for column in named)) - entity.key.values.keys()
        if unknown and entity.table.rows < LOOKED_AT:
            implied.append(what)
            shown = ", ".join(sorted(unknown)[:3])
            doubts.append(
                f"Events name {len(unknown):,} {what} that {entity.table.name} lacks, such as {shown}."
            )
        elif unknown:
            implied.append(what)
    return implied


def _doubts_of_events(roles: Roles, types: Mapping[str, Mapping[str, Any]]) -> list[str]:
    doubts = []
    for events in roles.events:
        name = events.table.name
        if events.time is None:
            doubts.append(f"{name} has no column of times; its rows are taken to be in order.")
        elif events.time.unit is not None and events.time.unit.startswith(("%d/%m", "%m/%d")):
            doubts.append(
                f"{name}: {events.time.name} is read as {events.time.unit}; day and month may be swapped."
            )
        if events.type is not None and events.value is not None:
            doubts.append(f"{name}: {events.value.name} is not read, as {events.type.name} tells the types.")
    for kind, words in types.items():
        if "positive_from" in words:
            doubts.append(f"A {kind} of {words['positive_from']:g} or more is taken to mean: liked.")
        elif not words and kind != "view":
            doubts.append(f"An event of type {kind} is taken to weigh 1 and to be positive.")
    return doubts


def _tastes(items: Readings) -> dict[str, Column]:
    """The features of items that are categories."""
    return {
        name: column
        for _, _, reading in items
        for name, (column, words) in reading.features.items()
        if words["kind"] != "numeric"
    }


def _category(tastes: Mapping[str, Column]) -> str | None:
    """The feature that is called most like a category."""
    named = ((name, word) for word in CATEGORY for name, column in tastes.items() if column.is_called(word))
    return next((name for name, _ in named), None)


def _tried(text: str, location: Location) -> list[str]:
    """What a first reading with the declaration finds wrong."""
    dataset = FileDataset(parse(text, "the guessed declaration"), location)
    dataset.check()
    tally = Tally()
    for part in dataset.parts():
        for row in islice(part.rows(), TRIED):
            if isinstance(row, BadRow):
                tally.add(row)
    return [
        f"{each.count:,} of the first rows of {each.file} do not fit; the first: {describe(each.first)}."
        for each in tally.problems()
    ]


def _taken_for(roles: Roles) -> tuple[tuple[str, str], ...]:
    told = [(events.table.name, "events") for events in roles.events]
    for what, entity in (("items", roles.items), ("users", roles.users)):
        for number, (table, _) in enumerate(entity.tables if entity is not None else ()):
            told.append((table.name, f"more about {what}" if number else what))
    return tuple(told)


def _name(folder: Path) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:40]
    return plain or "data"
