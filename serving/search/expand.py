"""What a search looks for besides its words: synonyms, and for words that no item has, what they may stand for.

A word that the catalogue does not have may be one that it has, misspelled. If it is not, it is compared with words
that the catalogue does have: those in the titles of the items that are nearest to it in meaning. Whatever is nearly
the same is searched in its stead. What was suggested once is kept, up to a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from catalog.records import Floats
from embeddings.hashing import HashingTextEncoder
from index.protocol import best
from index.words import words_in
from serving.catalogue import Catalogue
from serving.search.senses import Senses
from serving.search.spelling import respelled
from serving.search.synonyms import Phrase, Synonyms

WEIGHT = 0.5
"""Of what is searched besides, beside the words themselves."""
CLOSE = 0.7
"""Cosine from which a word stands for another: by MiniLM `fridge` and `refrigerator` have .96, `couch` and `sofa`
.86, `cellphone` and `earphones` .66."""
MOST_SUGGESTED = 3
MOST_UNKNOWN = 4
"""Unknown words of one search that something is suggested for."""
NEAR_ITEMS, NEAR_WORDS = 20, 64
"""Where a suggestion is looked for: titles of so many items, and so many of their words."""
SHORTEST = 3
REMEMBERED = 4000
"""Unknown words, and vectors of words."""


class Expansion:
    """Expands the searches of one model. Belongs to one event loop."""

    def __init__(self, catalogue: Catalogue, senses: Senses, synonyms: Synonyms) -> None:
        self._catalogue = catalogue
        self._senses = senses
        self._synonyms = synonyms
        self._suggested: dict[str, tuple[str, ...]] = {}
        self._vectors: dict[str, Floats] = {}

    async def expand(self, text: str) -> Mapping[str, tuple[str, ...]]:
        """By word or phrase of a text what is searched besides; only what some item says."""
        expanded: dict[str, tuple[str, ...]] = {}
        for term, others in self._synonyms.of(text).items():
            there = tuple(other for other in others if self._said(other))
            if there:
                expanded[term] = there
        covered = {word for term in expanded for word in term.split()}
        unknown = [
            word for word in dict.fromkeys(words_in(text))
            if word not in covered and len(word) >= SHORTEST and word.isalpha() and not self._said(word)
        ]  # fmt: skip
        for word in unknown[:MOST_UNKNOWN]:
            suggested = await self._suggest(word)
            if suggested:
                expanded[word] = suggested
        return expanded

    @property
    def _understands(self) -> bool:
        """Whether there is an encoder that knows words; hashed ones meet by chance."""
        return self._senses.text is not None and not isinstance(self._senses.text, HashingTextEncoder)

    def _said(self, term: str) -> bool:
        return all(self._catalogue.words.held_by(word) for word in term.split())

    async def _suggest(self, word: str) -> tuple[str, ...]:
        """What a word that no item says may stand for, the likeliest first."""
        known = self._suggested.get(word)
        if known is not None:
            return known
        spelled = respelled(word, self._catalogue.words.held_by)
        found = await self._near(word) if spelled is None else (spelled,)
        if len(self._suggested) >= REMEMBERED:
            self._suggested.clear()
        self._suggested[word] = found
        return found

    async def _near(self, word: str) -> tuple[str, ...]:
        """Words of the catalogue that mean nearly what a word means, nearest first."""
        content = self._catalogue.now.content
        if content is None or not self._understands:
            return ()
        (vector,) = await self._encoded([word])
        cosines = await self._senses.compared(content.text, content.mask[:, 0], vector)
        rows = np.flatnonzero(~np.isnan(cosines))
        near = best(rows, cosines[rows], NEAR_ITEMS).rows
        titles = " ".join(str(self._catalogue.shown(row).get("title", "")) for row in near.tolist())
        words = [one for one in dict.fromkeys(words_in(titles)) if len(one) >= SHORTEST and one.isalpha()]
        words = words[:NEAR_WORDS]
        if not words:
            return ()
        cosines = np.stack(await self._encoded(words)) @ vector
        close = np.flatnonzero(cosines >= CLOSE)
        return tuple(words[at] for at in best(close, cosines[close], MOST_SUGGESTED).rows.tolist())

    async def _encoded(self, words: Sequence[str]) -> list[Floats]:
        """Unit vectors of words."""
        encoder = self._senses.text
        assert encoder is not None, "asked only where there is a text encoder"
        vectors = {word: self._vectors[word] for word in words if word in self._vectors}
        missing = [word for word in words if word not in vectors]
        if missing:
            made = await self._senses.beside(partial(encoder.encode_texts, missing))
            vectors.update(zip(missing, made, strict=True))
            if len(self._vectors) + len(missing) > REMEMBERED:
                self._vectors.clear()
            self._vectors.update(vectors)
        return [vectors[word] for word in words]


def phrases(expanded: Mapping[str, tuple[str, ...]]) -> dict[Phrase, float]:
    """What to search besides, and how much each counts."""
    return {tuple(term.split()): WEIGHT for others in expanded.values() for term in others}
