"""What commands print on standard output: sentences and tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_json(report: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own; NaN and infinity are written as null."""
    print(json.dumps(plain(report), ensure_ascii=False, allow_nan=False))


def table(head: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """A table with its numbers flush right; plain and uncut where output is not a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(head):
        numbers = all(isinstance(row[column], int | float | None) for row in rows)
        drawn.add_column(name, justify="right" if numbers and rows else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(cell(value) for value in row))
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    console.print(drawn)


def cell(value: object) -> str:
    """How a value is shown: thousands apart, four decimals, a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def per_second(rate: float) -> str:
    """`36,649/s`, `0.4/s`."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def note(message: str) -> None:
    """A line for the person at the terminal, on standard error so that `--json` output stays pure."""
    print(message, file=sys.stderr, flush=True)


def plain(value: Any) -> Any:
    """What JSON can say of a value: numpy's numbers as plain ones, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return value.item() if hasattr(value, "item") else str(value)
