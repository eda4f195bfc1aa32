"""A guessed declaration as commented TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.guess.columns import Reading
from catalog.guess.profile import Column, Profile
from catalog.guess.roles import EventRoles

KNOWN_TYPES = {
    "view": 0.3, "click": 0.5, "impression": 0.1, "like": 1.0, "favorite": 1.5, "save": 1.5, "comment": 1.5,
    "share": 1.5, "addtocart": 1.5, "cart": 1.5, "purchase": 2.0, "buy": 2.0, "transaction": 2.0, "order": 2.0,
}  # fmt: skip
"""Weights of events by what they are usually called."""
NEGATIVE = ("dislike", "dismiss", "hide", "skip", "report", "remove", "unlike")


@dataclass(frozen=True)
class TypeGuess:
    """The interaction types of one events table."""

    declared: dict[str, dict[str, Any]]
    words: Mapping[str, str]
    """From words of the file to declared types, where they differ."""
    single: str | None
    """The type of all rows, where no column tells."""


def header(name: str, title: str, implied: Sequence[str], category: str | None, doubts: Sequence[str]) -> str:
    """The first lines: what the data set is called, and what to look at."""
    lines = [
        "# Guessed by `towerbridge init` from the files of this folder; docs/data.md explains every word.",
        "# `towerbridge validate` tells what does not fit.",
    ]
    if doubts:
        lines += ["#", "# Please look at these:", *(f"# - {doubt}" for doubt in doubts)]
    lines += ["", f"name = {quoted(name)}", f"title = {quoted(title)}"]
    if category is not None:
        lines += ["# The item feature that requests may filter by.", f"category = {quoted(category)}"]
    if implied:
        lines += [
            "# Events may name these without a row of their own; remove what must have one.",
            f"implied = {quoted(list(implied))}",
        ]
    return "\n".join(lines)


def types(declared: Mapping[str, Mapping[str, Any]]) -> str:
    """The tables of interaction types."""
    parts = []
    for name, words in declared.items():
        parts.append("\n".join([f"[types.{name}]", *_pairs(words)]))
    return "\n\n".join(parts)


def entity(heading: str, table: Profile, key: Column, reading: Reading) -> str:
    """One table of items or users."""
    lines = [heading, *_file(table), f"id = {quoted(key.name)}"]
    for word, column in (("title", reading.title), ("text", reading.text), ("available", reading.available)):
        if column is not None:
            lines.append(f"{word} = {_cell(column)}")
    if reading.image is not None:
        path = {"path": reading.image_path} if reading.image_path else {}
        lines.append(
            f"image = {quoted({'column': reading.image.name, **path}) if path else quoted(reading.image.name)}"
        )
    for name, (column, words) in reading.features.items():
        seen = ", ".join(value for value, _ in column.values.most_common(3))
        lines.append(f"features.{name} = {quoted({**words, 'column': column.name})}  # {_short(seen)}")
    for name, why in reading.unread:
        lines.append(f"# {name} is not read: {why}")
    return "\n".join(lines)


def events(roles: EventRoles, guess: TypeGuess) -> str:
    """One table of events."""
    lines = [
        "[[events]]",
        *_file(roles.table),
        f"user = {quoted(roles.user.name)}",
        f"item = {quoted(roles.item.name)}",
    ]
    if roles.time is not None:
        lines.append(f"timestamp = {quoted(roles.time.name)}")
        if roles.time.unit != "seconds":
            lines.append(f"unit = {quoted(roles.time.unit)}")
    else:
        lines.append("# No column of times: rows are taken to be in order.")
    if guess.single is None and roles.type is not None:
        lines.append(f"type_column = {quoted(roles.type.name)}")
        if guess.words:
            lines.append(f"type_names = {quoted(dict(guess.words))}")
    else:
        lines.append(f"type = {quoted(guess.single)}")
    if guess.single == "rating" and roles.value is not None:
        lines.append(f"value = {quoted(roles.value.name)}")
    return "\n".join(lines)


def behaviour(group: str, tastes: Sequence[str]) -> str:
    """Made-up users and views, for a catalogue without events."""
    return "\n".join([
        "# Remove this when there are events. Every report says that they are made up.",
        "[generated.behaviour]",
        "users = 500",
        "events = 20_000",
        f"group = {quoted(group)}",
        f"tastes = {quoted(list(tastes))}",
        "shares = { view = 1 }",
        'say = "Users and views are generated, as there are no events: 500 people with tastes for features."',
    ])  # fmt: skip


def guess_types(roles: EventRoles) -> TypeGuess:
    """What the types of an events table are called, weigh and mean."""
    if roles.type is not None:
        words = {word: _type_name(word) for word in roles.type.values}
        declared = {name: _meaning(name) for name in dict.fromkeys(words.values())}
        return TypeGuess(declared, {word: name for word, name in words.items() if word != name}, None)
    if roles.value is not None:
        numbers = roles.value.numbers or [0.0]
        low, high = min(numbers), max(max(numbers), min(numbers) + 1)
        bounds = {"value": True, "minimum": low, "maximum": high}
        # As 4 and 5 are liked on a scale of 1 to 5.
        return TypeGuess({"rating": {**bounds, "positive_from": low + 0.75 * (high - low)}}, {}, "rating")
    return TypeGuess({"view": {}}, {}, "view")


def _type_name(word: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")
    return plain if re.match(r"[a-z]", plain) else f"type_{plain}".rstrip("_")


def _meaning(name: str) -> dict[str, Any]:
    if any(word in name for word in NEGATIVE):
        return {"weight": 0, "polarity": "negative"}
    weight = next((weight for word, weight in reversed(KNOWN_TYPES.items()) if word in name), None)
    return {"weight": weight} if weight is not None else {}


def _file(table: Profile) -> Iterator[str]:
    declared = table.source.table
    yield f"file = {quoted(declared.file[0])}"
    if declared.delimiter != ",":
        yield f"delimiter = {quoted(declared.delimiter)}"
    if not declared.quoted:
        yield "quoted = false"
    if declared.encoding != "utf-8":
        yield f"encoding = {quoted(declared.encoding)}"
    if declared.columns:
        yield f"columns = {quoted(list(declared.columns))}"


def _cell(column: Column) -> str:
    if column.missing:
        return quoted({"column": column.name, "missing": list(column.missing)})
    return quoted(column.name)


def _pairs(words: Mapping[str, Any]) -> Iterator[str]:
    return (f"{name} = {quoted(value)}" for name, value in words.items())


def quoted(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(name)} = {quoted(inner)}' for name, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(quoted, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _short(text: str) -> str:
    line = " ".join(text.split())
    plain = "".join(letter if letter.isprintable() else " " for letter in line)
    return plain if len(plain) <= 60 else f"{plain[:59]}…"
