"""What the columns of a table look like: filled or not, numbers, times, words, lists, pictures, ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice

from catalog.records import BadRow
from catalog.tables import LIST, RowSource

LOOKED_AT = 100_000
"""Rows of each table that are looked at."""
MOSTLY = 0.98
"""Share of the filled cells that must look alike."""
MISSING = ("NA", "N/A", "n/a", "NULL", "null", "None", "nan", "NaN", "-", "?", "\\N")
SIGNS = "₹$€£¥% ,"
TIME = ("timestamp", "time", "date", "datetime", "ts", "when", "at", "created", "moment")
PICTURE = re.compile(r"(?i)(.+\.(jpe?g|png|webp|gif|bmp)(\?.*)?|data:image/.+)")
ADDRESS = re.compile(r"(?i)https?://\S+")
INTEGER, NUMBER = re.compile(r"[+-]?\d{1,18}"), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FORMATS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M",
           "%d/%m/%Y", "%d.%m.%Y", "%m/%d/%Y")  # fmt: skip
SEPARATORS = (LIST, "|", ";", ", ", ",")


@dataclass(frozen=True, eq=False)
class Column:
    """One column, as the rows that were looked at show it."""

    name: str
    position: int
    cells: Sequence[str] = field(repr=False)
    """All cells, the empty ones too."""

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Words that stand for nothing: known ones, where the other cells are of another kind."""
        found = [word for word in MISSING if word in self._counted]
        return tuple(found) if sum(self._counted[word] for word in found) < len(self.cells) else ()

    @cached_property
    def filled(self) -> list[str]:
        """The cells that hold something."""
        return [cell for cell in self.cells if cell and cell not in self.missing]

    @cached_property
    def values(self) -> Counter[str]:
        """How often each cell came."""
        return Counter(self.filled)

    @cached_property
    def _counted(self) -> Counter[str]:
        return Counter(self.cells)

    @property
    def share_filled(self) -> float:
        """Share of the rows that hold something."""
        return len(self.filled) / max(len(self.cells), 1)

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return bool(self.filled) and len(self.values) == len(self.cells)

    @cached_property
    def is_integer(self) -> bool:
        """Whether the cells are whole numbers."""
        return self._mostly(INTEGER.fullmatch)

    @cached_property
    def is_number(self) -> bool:
        """Whether the cells are numbers once their signs are dropped."""
        drop = {ord(sign): None for sign in self.signs}
        return self._mostly(lambda cell: NUMBER.fullmatch(cell.translate(drop)))

    @property
    def numbers(self) -> list[float]:
        """The different plain numbers among the cells."""
        return [float(cell) for cell in self.values if NUMBER.fullmatch(cell)]

    @cached_property
    def is_all_numbers(self) -> bool:
        """Whether there is no exception to that."""
        drop = {ord(sign): None for sign in self.signs}
        return all(NUMBER.fullmatch(cell.translate(drop)) for cell in self.values)

    @cached_property
    def signs(self) -> str:
        """Currency signs, commas of thousands and the like among otherwise plain numbers."""
        sample = self.filled[:1000]
        return "".join(sign for sign in SIGNS if any(sign in cell for cell in sample))

    @cached_property
    def unit(self) -> str | None:
        """The unit of a column of times; None where it is none."""
        if not self.filled:
            return None
        sample = self.filled[:1000]
        if not (self.is_number and not self.signs):
            return next((form for form in ("iso", *FORMATS) if _all_are(form, sample)), None)
        numbers = [float(cell) for cell in sample if NUMBER.fullmatch(cell)]
        # 1990 to 2100, in seconds and in milliseconds.
        for unit, scale in (("seconds", 1), ("milliseconds", 1000)):
            if all(6.3e8 * scale <= number <= 4.1e9 * scale for number in numbers):
                return unit
        if not self.is_called(*TIME):
            return None
        return (
            "%Y%m%d" if all(len(cell) == 8 for cell in sample) and _all_are("%Y%m%d", sample) else "seconds"
        )

    @cached_property
    def is_picture(self) -> bool:
        """Whether the cells are paths or addresses of pictures."""
        return self._mostly(PICTURE.fullmatch)

    @cached_property
    def is_address(self) -> bool:
        """Whether the cells are web addresses."""
        return self._mostly(ADDRESS.fullmatch)

    @cached_property
    def separator(self) -> str | None:
        """What stands between the entries of a column of lists; None where it is none.

        A list's entries come again in other lists; the parts of a sentence do not.
        """
        for separator in SEPARATORS:
            lists = [cell for cell in self.filled if separator in cell]
            if separator != LIST and len(lists) < 0.1 * len(self.filled):
                continue
            parts = Counter(part.strip() for cell in self.filled for part in cell.split(separator))
            if lists and max(map(len, parts)) <= 40 and len(parts) <= max(0.2 * len(self.filled), 3):
                return separator
        return None

    @cached_property
    def letters(self) -> float:
        """Mean length of the filled cells."""
        return sum(map(len, self.filled)) / max(len(self.filled), 1)

    @property
    def is_text(self) -> bool:
        """Whether the cells are words for people to read: long, or mostly different from each other."""
        is_other = self.is_number or self.is_address or self.is_picture or self.unit or self.separator
        return not is_other and self.letters >= 8 and len(self.values) > 0.3 * len(self.filled)

    def is_called(self, *words: str) -> bool:
        """Whether the name holds one of the words, alone, in the plural or with `id` at its end."""
        parts = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower())
        stems = {part.removesuffix(end) for part in parts for end in ("", "s", "id")}
        return not stems.isdisjoint(words)

    @property
    def is_id(self) -> bool:
        """Whether the cells could be ids: whole numbers or words that nobody reads, and nearly never missing."""
        is_other = self.is_text or self.is_address or self.is_picture or self.unit or self.separator
        is_decimal = self.is_number and not self.is_integer
        return not (is_other or is_decimal) and self.share_filled > 0.9 and self.letters <= 64

    def overlap(self, other: Column) -> float:
        """Share of this column's values that are values of the other one too."""
        return len(self.values.keys() & other.values.keys()) / max(len(self.values), 1)

    def _mostly(self, test: Callable[[str], object]) -> bool:
        matching = sum(count for cell, count in self.values.items() if test(cell))
        return bool(self.filled) and matching >= MOSTLY * len(self.filled)


@dataclass(frozen=True, eq=False)
class Profile:
    """A table and its columns."""

    source: RowSource
    columns: tuple[Column, ...]
    rows: int
    """How many were looked at."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.source.name

    def column(self, name: str) -> Column:
        """The column of a name."""
        return next(column for column in self.columns if column.name == name)


def profile(source: RowSource) -> Profile:
    """Look at the first rows of a table; of columns that share a name, the last one counts."""
    names = source.columns()
    rows = [row.cells for row in islice(source.rows(names), LOOKED_AT) if not isinstance(row, BadRow)]
    columns = {
        name: Column(name, place, [row[place] for row in rows]) for place, name in enumerate(names) if name
    }
    return Profile(source, tuple(columns.values()), len(rows))


def _all_are(form: str, cells: Sequence[str]) -> bool:
    try:
        for cell in cells:
            datetime.fromisoformat(cell) if form == "iso" else datetime.strptime(cell, form)
    except ValueError:
        return False
    # A plain number is no time, whatever fromisoformat makes of it.
    return form == "%Y%m%d" or not all(INTEGER.fullmatch(cell) for cell in cells)
