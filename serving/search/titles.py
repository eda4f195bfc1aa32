"""Items by title, for callers that know nothing else of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from serving.catalogue import Catalogue

YEAR = re.compile(r" \(\d{4}\)$")
_ARTICLES = "the|a|an|le|la|les|un|une|el|los|las|il|lo|gli|der|die|das"
_LEADING = re.compile(rf"^({_ARTICLES}) (.+?)( \(\d{{4}}\))?$")
_TRAILING = re.compile(rf"^(.+), ({_ARTICLES})( \(\d{{4}}\))?$")


class Titles:
    """Finds rows by title: exactly, then folded, then without its year where that leaves one item."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Index all titles; of items with the same title the first one is meant."""
        self._catalogue = catalogue
        self._exact: dict[str, int] = {}
        self._folded: dict[str, int] = {}
        self._undated: dict[str, set[int]] = {}
        self._read = len(catalogue.changed)
        for row in range(len(catalogue)):
            self._add(row)

    def row(self, title: str) -> int:
        """The row of a title, or -1."""
        found = self._exact.get(title)
        if found is None:
            found = self._folded.get(folded(title))
        if found is None:
            of = self._undated.get(folded(title), set())
            found = next(iter(of)) if len(of) == 1 else -1
        return found

    def rows(self, titles: list[str]) -> Mapping[str, int]:
        """Rows by title, each title once, in the order given."""
        changed, self._read = self._catalogue.changed[self._read :], len(self._catalogue.changed)
        for row in changed:
            for known in (self._exact, self._folded):
                for old in [title for title, at in known.items() if at == row]:
                    del known[old]
            for name in [name for name, of in self._undated.items() if row in of]:
                self._undated[name].remove(row)
            self._add(row)
        return {title: self.row(title) for title in dict.fromkeys(titles)}

    def _add(self, row: int) -> None:
        title = self._catalogue.shown(row).get("title")
        if title and isinstance(title, str):
            self._exact.setdefault(title, row)
            self._folded.setdefault(folded(title), row)
            self._undated.setdefault(folded(YEAR.sub("", title)), set()).add(row)


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
