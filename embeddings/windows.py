"""Which pieces of a text a model reads at once, and how their vectors become one.

Shared by the torch and the ONNX text encoder, so that both read the same: title, lead and body of a text count as
much as each other, however long each is; what is longer than the model reads is cut into overlapping windows of
whole words. Knows characters and positions of tokens, no model and no tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.records import Floats, Ints
from embeddings.content import sections
from embeddings.vectors import unit

MAX_SECTIONS: Final = 3
"""Title, lead and body: what stands before the first blank line, before the second, and all the rest."""
MAX_WINDOWS: Final = 16
"""Windows read of one section; what follows (after some 3,000 words) is left out, so time is bounded."""
MAX_CHARACTERS: Final = 64_000
"""Characters read of one text."""

Offsets = Sequence[tuple[int, int]]
"""Range of characters of each token of a text."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a model reads of n texts."""

    texts: list[str]
    """Every window of every section, in order."""
    sections: Ints
    """`[pieces]` to which section each belongs, rising from 0."""
    owners: Ints
    """`[sections]` to which text each section belongs, rising."""
    count: int
    """n."""

    def pooled(self, vectors: Floats) -> Floats:
        """Unit vectors `[n, dim]` of the texts from those of the pieces; zero for a text without any.

        The mean of a section's windows, at unit length, and then the same of a text's sections.
        """
        return _means(_means(vectors, self.sections, len(self.owners)), self.owners, self.count)


def cut(texts: Sequence[str], offsets: Callable[[list[str]], Sequence[Offsets]], window: int) -> Pieces:
    """The pieces of some texts.

    Args:
        texts: The texts; blank lines part their sections.
        offsets: The tokenizer: texts to the character ranges of their tokens, special tokens left out.
        window: Tokens that the model reads at once, likewise.
    """
    parts: list[str] = []
    owners: list[int] = []
    for owner, text in enumerate(texts):
        found = sections(text[:MAX_CHARACTERS], MAX_SECTIONS)
        parts.extend(found)
        owners.extend([owner] * len(found))
    pieces: list[str] = []
    of: list[int] = []
    for row, (part, tokens) in enumerate(zip(parts, offsets(parts) if parts else [], strict=True)):
        cuts = window_cuts(part, tokens, window)
        pieces.extend(part[begin:end] for begin, end in cuts)
        of.extend([row] * len(cuts))
    return Pieces(pieces, np.array(of, np.int64), np.array(owners, np.int64), len(texts))


def window_cuts(text: str, offsets: Offsets, window: int) -> list[tuple[int, int]]:
    """Character ranges of the windows of a text.

    Args:
        text: The text.
        offsets: Character range of each of its tokens.
        window: Tokens that the model reads at once. Every window ends where a word does and the next
            starts a quarter of a window earlier, so that no sentence is seen by its end alone.
    """
    if not offsets:
        return []
    if len(offsets) <= window:
        return [(0, len(text))]
    cuts: list[tuple[int, int]] = []
    begin = 0
    while len(cuts) < MAX_WINDOWS:
        end = min(begin + window, len(offsets))
        if end < len(offsets):
            end = _word_start(text, offsets, begin, end)
        cuts.append((offsets[begin][0], offsets[end - 1][1]))
        if end == len(offsets):
            break
        begin = _word_start(text, offsets, begin, max(end - window // 4, begin + 1))
    return cuts


def _word_start(text: str, offsets: Offsets, begin: int, at: int) -> int:
    """The last token after `begin` and up to `at` that starts a word; `at` where none does."""
    for token in range(at, begin, -1):
        start = offsets[token][0]
        if start > 0 and text[start - 1].isspace():
            return token
    return at


def _means(vectors: Floats, rows: Ints, count: int) -> Floats:
    """Directions of the sums over equal `rows`: `[count, dim]` at unit length, zero where there are none."""
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, rows, vectors)
    return unit(sums)


def reasons(vectors: Floats) -> list[str | None]:
    """Per text, why it has no vector."""
    return [None if found else "has no words" for found in map(np.any, vectors)]
