"""Search: by words, by meaning, by picture, and in whose eyes.

Several searches each rank some items, and the ranks are fused: an item gets 1 / (60 + rank) of every list it is on
(reciprocal rank fusion, Cormack et al. 2009), which needs no common scale. An item whose very name is asked for
comes first whatever the lists say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from catalog.records import Floats, Ints
from index.protocol import Mask, best, best_first
from serving.catalogue import Catalogue
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import NO_ROWS, Query, UserState
from serving.search.synonyms import Phrase
from serving.search.titles import YEAR, folded

DEPTH = 200
"""Items that each search proposes."""
FLAT = 60
"""The constant of the fusion: the larger, the less the first ranks stand out."""
NEAR = 0.4
"""Cosine from which an item is about what was asked. By MiniLM the item nearest to what a shop has was at .43 or
more, the one nearest to nonsense and to other subjects nearly always below (docs/LOG.md)."""
NAMED = 1.0
"""For an item of the very name, more than all lists can give together."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first: n items."""

    rows: Ints
    scores: Floats
    sources: list[str]
    """The search that ranks each highest: `name`, `words`, `meaning` or `picture`."""
    matched: bool = True
    """Whether anything suits the query at all: an item says a word of it, or is near enough to it."""


def search(
    pipeline: Pipeline, query: Query, text: str, likes: Mapping[str, Floats], state: UserState | None,
    also: Mapping[Phrase, float] = MappingProxyType({}), near: float = NEAR,
) -> Found:  # fmt: skip
    """The items that suit a query.

    Args:
        pipeline: whose items are searched.
        query: page and filters; `text` may be empty.
        text: what was asked in words, or nothing.
        likes: by `meaning` or `picture`, how like the query all items are: cosines `[n]`, NaN where an item has
            nothing to compare.
        state: in whose eyes, or None.
        also: words and phrases that are searched besides, and how much each counts.
        near: the cosine from which an item matches though it says no word of the query.
    """
    catalogue = pipeline.catalogue
    allowed = pipeline.allowed(query)
    lists: dict[str, Ints] = {}
    if text:
        depth = max(DEPTH, query.offset + query.limit)
        lists["words"] = catalogue.words.search(text, depth, allowed, also).rows
    matched = bool(text) and len(lists["words"]) > 0
    for name, cosines in likes.items():
        found = lists[name] = _nearest(cosines, allowed)
        matched = matched or (len(found) > 0 and bool(cosines[found[0]] >= near))
    rows: Ints = np.unique(np.concatenate([np.zeros(0, np.int64), *lists.values()]))
    ranks = {name: _ranks(rows, found) for name, found in lists.items()}
    scores = np.zeros(len(rows), np.float32)
    for each in ranks.values():
        scores += each
    sources = np.array(list(ranks))[np.argmax(list(ranks.values()), axis=0)] if len(rows) else np.array([])
    if state is not None and len(state.history) and len(rows):
        scores += _ranks(rows, pipeline.rank_rows(state, rows))
    # The item of that very name says all words of the query: it is among the first.
    of_name = np.isin(rows, _named(catalogue, lists["words"][:DEPTH], text) if text else NO_ROWS)
    scores[of_name] += NAMED
    page = best_first(scores)[query.offset : query.offset + query.limit]
    said = ["name" if of_name[at] else str(sources[at]) for at in page.tolist()]
    return Found(rows[page], scores[page], said, matched)


def _nearest(cosines: Floats, allowed: Mask) -> Ints:
    """The DEPTH allowed rows with the largest cosines; those that came after the cosines are left out."""
    rows = np.flatnonzero(allowed[: len(cosines)] & ~np.isnan(cosines))
    return best(rows, cosines[rows], DEPTH).rows


def _ranks(rows: Ints, ranked: Ints) -> Floats:
    """What a list gives each of some rows `[n]`, which rise."""
    given = np.zeros(len(rows), np.float32)
    at = np.searchsorted(rows, ranked)
    given[at] = 1.0 / (FLAT + 1 + np.arange(len(ranked)))
    return given


def _named(catalogue: Catalogue, rows: Ints, text: str) -> list[int]:
    """Those of the rows whose title is the query: without case, blanks, year, and wherever its article stands."""
    wanted = folded(text)
    found = []
    for row in rows.tolist():
        title = catalogue.shown(row).get("title")
        if isinstance(title, str) and title and wanted in (folded(title), folded(YEAR.sub("", title))):
            found.append(row)
    return found
