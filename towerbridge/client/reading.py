"""JSON into dataclasses, by their types alone: one reader for every answer."""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read(kind: type[T], document: object, where: str = "the answer") -> T:
    """A dataclass from a JSON object; keys that it does not know are left, so that services may add some.

    Raises:
        ValueError: a field is missing or of another type; the message says which.
    """
    if not isinstance(document, dict):
        raise ValueError(f"expected an object as {where}, found {type(document).__name__}")
    found: dict[str, Any] = {}
    for field, hint in _typed_fields(cast(Hashable, kind)):
        if field.name in document:
            found[field.name] = _value(hint, document[field.name], f"{where}.{field.name}")
        elif field.default is MISSING:
            raise ValueError(f"expected {field.name!r} in {where}, found {', '.join(document) or 'nothing'}")
    return kind(**found)


@cache
def _typed_fields(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _value(hint: Any, given: object, where: str) -> object:
    if hint is Any:
        return given
    if isinstance(hint, types.UnionType):
        (inner,) = (each for each in get_args(hint) if each is not types.NoneType)
        return None if given is None else _value(inner, given, where)
    if get_origin(hint) is tuple and isinstance(given, list):
        inner = get_args(hint)[0]
        return tuple(_value(inner, each, f"{where}[{place}]") for place, each in enumerate(given))
    if get_origin(hint) is Mapping and isinstance(given, dict):
        inner = get_args(hint)[1]
        return {name: _value(inner, each, f"{where}.{name}") for name, each in given.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        return read(hint, given, where)
    if hint is float and isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    if isinstance(hint, type) and type(given) is hint:
        return given
    raise ValueError(f"expected {hint} as {where}, found {given!r:.80}")
