"""Nested values and labels, named as files and trackers name them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as `a.b.c` and value; MLflow knows no `@` in names."""
    for key, value in values.items():
        name = f"{above}.{key}".removeprefix(".").replace("@", "_at_")
        if isinstance(value, Mapping):
            yield from flat(value, name)
        else:
            yield name, value


def numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers among nested values."""
    for name, value in flat(values):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def slug(label: str) -> str:
    """A label as a name of files and metrics: `ranker, order` is `ranker-order`."""
    return re.sub(r"\W+", "-", label)
