"""Items by title, for callers that know nothing else of them."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Mapping

from serving.catalogue import Catalogue

YEAR = re.compile(r" \(\d{4}\)$")
_ARTICLES = "the|a|an|le|la|les|un|une|el|los|las|il|lo|gli|der|die|das"
_LEADING = re.compile(rf"^({_ARTICLES}) (.+?)( \(\d{{4}}\))?$")
_TRAILING = re.compile(rf"^(.+), ({_ARTICLES})( \(\d{{4}}\))?$")


class Titles:
    """Finds rows by title: exactly, then folded, then without its year where that leaves one item."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Read all titles, at some microseconds each; of items with the same title the first one is meant."""
        self._catalogue = catalogue
        self._titles: dict[int, str] = {}
        self._exact: dict[str, list[int]] = {}
        self._folded: dict[str, list[int]] = {}
        self._undated: dict[str, list[int]] = {}
        self._read = catalogue.written
        for row in range(len(catalogue)):
            self._add(row)

    def row(self, title: str) -> int:
        """The row of a title, or -1."""
        found = self._exact.get(title) or self._folded.get(folded(title))
        if found is None:
            found = self._undated.get(folded(title), [])
            found = found if len(found) == 1 else None
        return -1 if found is None else found[0]

    def rows(self, titles: list[str]) -> Mapping[str, int]:
        """Rows by title, each title once, in the order given."""
        since, self._read = self._read, self._catalogue.written
        for row in self._catalogue.changed(since):
            self._remove(row)
            self._add(row)
        return {title: self.row(title) for title in dict.fromkeys(titles)}

    def _add(self, row: int) -> None:
        title = self._catalogue.shown(row).get("title")
        if title and isinstance(title, str):
            self._titles[row] = title
            for known, name in self._names(title):
                insort(known.setdefault(name, []), row)

    def _remove(self, row: int) -> None:
        title = self._titles.pop(row, None)
        for known, name in () if title is None else self._names(title):
            rows = known[name]
            del rows[bisect_left(rows, row)]
            if not rows:
                del known[name]

    def _names(self, title: str) -> tuple[tuple[dict[str, list[int]], str], ...]:
        """What a title is found by, and where."""
        undated = folded(YEAR.sub("", title))
        return (self._exact, title), (self._folded, folded(title)), (self._undated, undated)


def folded(title: str) -> str:
    """The form under which titles meet: `Godfather, The (1972)` and `the  godfather (1972)` are one.

    Case, accents, blanks and the place of the article do not count.
    """
    letters = unicodedata.normalize("NFKD", title.casefold())
    plain = " ".join("".join(each for each in letters if not unicodedata.combining(each)).split())
    leading = _LEADING.match(plain)
    if leading:
        return f"{leading[2]}, {leading[1]}{leading[3] or ''}"
    trailing = _TRAILING.match(plain)
    return plain if trailing is None else f"{trailing[1]}, {trailing[2]}{trailing[3] or ''}"
