"""What commands print on standard output: sentences and tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

UNCUT = 10_000
"""Characters in a line where no terminal folds it."""


def print_json(report: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own; NaN and infinity are written as null."""
    print(json.dumps(plain(report), ensure_ascii=False, allow_nan=False))


def table(
    head: Sequence[str], rows: Sequence[Sequence[object]], title: str = "", spare: Sequence[str] = ()
) -> list[str]:
    """A table with its numbers flush right; plain and uncut where output is not a terminal.

    Args:
        head: names of the columns.
        rows: of as many values each.
        title: above it all.
        spare: names of columns that a narrow terminal does without, the first of them first, until no value has
            to be folded. Where that does not help either, values are.

    Returns:
        The names of the columns that were left out.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = UNCUT
    columns = [[cell(row[at]) for row in rows] for at in range(len(head))]
    least = [
        max(map(cell_len, [*name.split(), *column]), default=0)
        for name, column in zip(head, columns, strict=True)
    ]
    whole = [max(cell_len(name), width) for name, width in zip(head, least, strict=True)]
    shown = list(range(len(head)))
    for name in spare:
        if _width(least, shown) > console.width and name in head:
            shown.remove(head.index(name))
    tight = _width(least, shown) <= console.width < _width(whole, shown)
    drawn = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for at in shown:
        numbers = all(isinstance(row[at], int | float | None) for row in rows)
        drawn.add_column(
            head[at], justify="right" if numbers and rows else "left", overflow="fold",
            width=least[at] if tight and at else None,
        )  # fmt: skip
    for line in zip(*(columns[at] for at in shown), strict=True):
        drawn.add_row(*line)
    console.print(drawn)
    return [name for at, name in enumerate(head) if at not in shown]


def _width(columns: Sequence[int], shown: Sequence[int]) -> int:
    """Of a table of such columns, three spaces between them and one at either side."""
    return sum(columns[at] for at in shown) + 3 * len(shown) - 1


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
