"""Words that slipped: one letter too many, too few or another, or two that changed places (Damerau 1964).

The words at one slip from a word are made and looked up, some hundreds of them, instead of comparing it with all that
there are (Norvig, How to write a spelling corrector, 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from string import ascii_lowercase

SHORTEST, LONGEST = 5, 20
"""Letters. Of shorter words too many are one slip from another."""


def respelled(word: str, said_by: Callable[[str], int]) -> str | None:
    """The word at one slip from another that most items say; None where no item says any.

    Args:
        word: as `index.words.words_in` writes it.
        said_by: how many items say a word.
    """
    if not SHORTEST <= len(word) <= LONGEST:
        return None
    counts = {slip: said_by(slip) for slip in slips(word)}
    likeliest = max(counts, key=lambda slip: (counts[slip], slip))
    return likeliest if counts[likeliest] else None


def slips(word: str) -> Iterator[str]:
    """All texts at one slip from a word, and some of them twice."""
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in ascii_lowercase:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]
