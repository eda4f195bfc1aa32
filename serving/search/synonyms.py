"""Words that mean the same, from a file: what somebody calls one thing, and the shop another.

    same = [["earphones", "earbuds"], ["television", "tv"]]

A file that the settings name comes first, then the one that the bundle carries, then the packaged one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.errors import ConfigError
from index.words import words_in

PACKAGED = Path(__file__).with_suffix(".toml")
CARRIED = Path("words/synonyms.toml")
"""Where in a bundle."""
Phrase = tuple[str, ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    same: list[list[str]]


class Synonyms:
    """Groups of words and phrases of one meaning; compared as the index of words does, without case and accents."""

    def __init__(self, groups: Iterable[Iterable[str]]) -> None:
        self._others: dict[Phrase, dict[str, None]] = {}
        for group in groups:
            terms = {tuple(words_in(term)): " ".join(words_in(term)) for term in group}
            terms.pop((), None)
            for phrase in terms:
                others = self._others.setdefault(phrase, {})
                others.update(dict.fromkeys(term for other, term in terms.items() if other != phrase))
        self._longest = max(map(len, self._others), default=0)

    @classmethod
    def read(cls, path: Path) -> Synonyms:
        """The groups of a file.

        Raises:
            ConfigError: it cannot be read, or is not of this kind.
        """
        try:
            return cls(_File.model_validate(tomllib.loads(path.read_text("utf-8"))).same)
        except (OSError, ValueError, ValidationError) as exc:
            raise ConfigError(
                f'expected synonyms in {path}, as in `same = [["film", "movie"]]`; found {exc}'
            ) from exc

    @classmethod
    def open(cls, named: Path | None, bundle: Path) -> Synonyms:
        """Those of the file that is named, else of the bundle, else the packaged ones."""
        carried = bundle / CARRIED
        return cls.read(named or (carried if carried.is_file() else PACKAGED))

    def of(self, text: str) -> Mapping[str, tuple[str, ...]]:
        """What else the words and phrases of a text are called; longer phrases hide those in them."""
        words, found, at = words_in(text), dict[str, tuple[str, ...]](), 0
        while at < len(words):
            for size in range(min(self._longest, len(words) - at), 0, -1):
                phrase = tuple(words[at : at + size])
                if phrase in self._others:
                    found[" ".join(phrase)] = tuple(self._others[phrase])
                    break
            else:
                size = 1
            at += size
        return found
