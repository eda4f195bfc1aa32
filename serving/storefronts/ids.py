"""Ids as the caller writes them: numbers for those who send numbers, texts for those who send texts."""

from __future__ import annotations

EXACT = 2**53 - 1
"""The largest whole number that every reader of JSON holds exactly."""


def numeric(name: str) -> int | None:
    """The number that an id spells in the one way in which numbers are written; None of any other text."""
    digits = name.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 16:
        return None
    number = int(name)
    return number if str(number) == name and -EXACT <= number <= EXACT else None


def spoken(names: list[str], *, as_numbers: bool) -> list[str | int]:
    """Ids as they go into an answer; those that are no numbers stay texts."""
    if not as_numbers:
        return list(names)
    return [name if (number := numeric(name)) is None else number for name in names]
