"""Search by word: BM25 over the titles, texts and features of items, in plain arrays and under writes.

`WordIndex` is frozen and mapped from a bundle: the vocabulary in order, and for every word the rows that hold it.
`LiveWords` puts items on top of it that came or changed since. Words are compared without case and accents; there is
no stemming and no list of stop words: what means the same is the business of the vectors.

Scores are Okapi BM25 (Robertson and Zaragoza 2009); a word of the title counts as TITLE_WEIGHT words.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bundle.columns import BytesColumn, load_array, write_bytes_column
from catalog.errors import DataError
from catalog.records import Candidates, Floats, Ints, Item
from index.protocol import Mask, best

TITLE_WEIGHT = 3.0
LONGEST = 64_000
"""Characters of a text that are read, as the encoders do."""
MOST_WORDS = 64
"""Different words of a query that are looked up, the first ones."""
SATURATION, LENGTH_SHARE = 1.2, 0.75
"""k1 and b of BM25."""
_WORD = re.compile(r"\w+")
Counts = Mapping[str, float]


def words_in(text: str) -> list[str]:
    """The words of a text in order, without case and accents."""
    text = text[:LONGEST].casefold()
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(part for part in parts if not unicodedata.combining(part))
    return _WORD.findall(text)


def words_of(item: Item) -> Counts:
    """How often an item says each word."""
    counts: Counter[str] = Counter(words_in(item.text))
    for value in item.features.values():
        for member in value if isinstance(value, tuple) else (value,):
            if isinstance(member, str):
                counts.update(words_in(member))
    weighted = {word: float(count) for word, count in counts.items()}
    for word in words_in(item.title):
        weighted[word] = weighted.get(word, 0.0) + TITLE_WEIGHT
    return weighted


@dataclass(frozen=True, slots=True)
class WordIndex:
    """The words of n documents; nothing of it is copied into memory."""

    vocabulary: BytesColumn
    """Words in order of their bytes."""
    begins: Ints
    """[words + 1] where the postings of each word begin."""
    rows: Ints
    """[postings] rows that hold a word, rising within each."""
    counts: Floats
    """[postings] how often."""
    lengths: Floats
    """[n] words of each document."""

    @classmethod
    def open(cls, folder: Path) -> WordIndex:
        """Map what `write_words` wrote; BundleError where the files do not fit together."""
        vocabulary = BytesColumn.open(folder, "vocabulary")
        begins = load_array(folder / "begins.npy", np.int64, (len(vocabulary) + 1,))
        postings = int(begins[-1])
        return cls(
            vocabulary, begins, load_array(folder / "rows.npy", np.int32, (postings,)),
            load_array(folder / "counts.npy", np.float32, (postings,)),
            load_array(folder / "lengths.npy", np.float32, (None,)),
        )  # fmt: skip

    def postings(self, word: str) -> tuple[Ints, Floats]:
        """Rows and counts of a word; none where no document holds it."""
        key = word.encode("utf-8", "replace")
        # bisect asks for lengths and items only, which a column of bytes has.
        at = bisect_left(cast("list[bytes]", self.vocabulary), key)
        if at == len(self.vocabulary) or self.vocabulary[at] != key:
            return self.rows[:0], self.counts[:0]
        part = slice(int(self.begins[at]), int(self.begins[at + 1]))
        return self.rows[part], self.counts[part]


def write_words(folder: Path, documents: Iterable[Counts]) -> None:
    """Write the index of some documents, row r the r-th, into a folder."""
    lengths: list[float] = []
    found: dict[str, tuple[list[int], list[float]]] = {}
    for row, counts in enumerate(documents):
        lengths.append(sum(counts.values()))
        for word, count in counts.items():
            rows, each = found.setdefault(word, ([], []))
            rows.append(row)
            each.append(count)
    keys = sorted((word.encode("utf-8", "replace"), word) for word in found)
    if len({key for key, _ in keys}) != len(keys):
        raise DataError("expected words that are valid Unicode, found halves of surrogate pairs")
    postings = [found[word] for _, word in keys]
    begins = np.zeros(len(keys) + 1, np.int64)
    np.cumsum([len(rows) for rows, _ in postings], out=begins[1:])
    write_bytes_column(folder, "vocabulary", (key for key, _ in keys))
    arrays: dict[str, NDArray[Any]] = {
        "begins": begins, "lengths": np.array(lengths, np.float32),
        "rows": np.array([row for rows, _ in postings for row in rows], np.int32),
        "counts": np.array([count for _, each in postings for count in each], np.float32),
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


class LiveWords:
    """A word index in which documents are added and replaced. Not to be written to by two threads at once."""

    def __init__(self, base: WordIndex) -> None:
        self._base = base
        self._fresh: dict[str, dict[int, float]] = {}
        self._documents: dict[int, Counts] = {}
        self._current = np.ones(len(base.lengths), bool)
        """[n] False for documents of the base that were replaced."""
        self._total = float(base.lengths.sum())
        self._count = len(base.lengths)

    def put(self, row: int, counts: Counts) -> None:
        """Add a document, or replace that of a row."""
        before = self._documents.get(row)
        if before is not None:
            self._total -= sum(before.values())
            for word in before:
                del self._fresh[word][row]
        elif row < len(self._current):
            self._current[row] = False
            self._total -= float(self._base.lengths[row])
        else:
            self._count += 1
        self._total += sum(counts.values())
        self._documents[row] = counts
        for word, count in counts.items():
            self._fresh.setdefault(word, {})[row] = count

    def search(
        self, text: str, k: int, allowed: Mask, also: Mapping[tuple[str, ...], float] = MappingProxyType({})
    ) -> Candidates:
        """The k best allowed rows that hold a word of a text, best first, by BM25.

        Args:
            text: the query.
            k: at least 0.
            allowed: `[n]` rows that may be found.
            also: words and phrases that are searched besides, and how much each counts; of a phrase a document
                holds all words or none.
        """
        scores = np.zeros(len(allowed), np.float32)
        for word in list(dict.fromkeys(words_in(text)))[:MOST_WORDS]:
            rows, given = self._scores(word)
            scores[rows] += given
        for phrase, weight in also.items():
            total, held = np.zeros(len(allowed), np.float32), np.zeros(len(allowed), np.int64)
            for word in phrase:
                rows, given = self._scores(word)
                total[rows] += given
                held[rows] += 1
            scores += weight * np.where(held == len(phrase), total, 0)
        found = np.flatnonzero((scores > 0) & allowed)
        return best(found, scores[found], k)

    def held_by(self, word: str) -> int:
        """How many documents hold a word, as `words_in` writes it."""
        return len(self._postings(word)[0])

    def _scores(self, word: str) -> tuple[Ints, Floats]:
        """Rows that hold a word, and what BM25 gives each."""
        rows, counts, lengths = self._postings(word)
        average = self._total / max(1, self._count)
        rarity = np.log1p((self._count - len(rows) + 0.5) / (len(rows) + 0.5))
        norm = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * lengths / max(average, 1e-9))
        return rows, (rarity * counts * (SATURATION + 1) / (counts + norm)).astype(np.float32)

    def _postings(self, word: str) -> tuple[Ints, Floats, Floats]:
        """Rows that hold a word, how often, and how many words each has."""
        rows, counts = self._base.postings(word)
        if self._documents:
            kept = self._current[rows]
            rows, counts = rows[kept], counts[kept]
        lengths = self._base.lengths[rows]
        fresh = self._fresh.get(word)
        if not fresh:
            return rows, counts, lengths
        totals = [sum(self._documents[row].values()) for row in fresh]
        return (
            np.concatenate((rows, np.fromiter(fresh, np.int64, len(fresh)))),
            np.concatenate((counts, np.fromiter(fresh.values(), np.float32, len(fresh)))),
            np.concatenate((lengths, np.array(totals, np.float32))),
        )
