"""From the words of a search to its answer: expanded, encoded, compared and fused; else what is trending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from catalog.records import Floats, History
from embeddings.encoder import Modality
from embeddings.hashing import HashingTextEncoder
from serving.model import Model
from serving.recommend.query import NO_ROWS, Query, UserState
from serving.search.expand import phrases
from serving.search.hybrid import NEAR, Found, search

NO_MATCHES = "no_search_matches"
"""Why trending items are answered instead of found ones."""
NEAR_BY_LETTERS = 0.2
"""As `search.NEAR`, by the encoder without weights, which compares pieces of words."""
NOBODY = UserState(None, History.empty(), NO_ROWS)


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a search."""

    found: Found
    expanded: Mapping[str, tuple[str, ...]]
    """By word or phrase of the query what was searched besides."""
    fallback_reason: str | None = None
    failed: tuple[str, ...] = ()
    """Parts that were done without."""


async def look_up(model: Model, text: str, query: Query, state: UserState | None = None) -> Looked:
    """The items that suit some words.

    Args:
        model: whose items are searched.
        text: at least one word.
        query: page and filters.
        state: in whose eyes, or None.
    """
    encoder, failed = model.senses.text, tuple[str, ...]()
    expanded = await model.expansion.expand(text)
    vector = None
    if encoder is None or model.catalogue.now.content is None:
        failed = ("text_encoder",)
    else:
        vector = (await model.senses.beside(partial(encoder.encode_texts, [text])))[0]
    near = NEAR_BY_LETTERS if isinstance(encoder, HashingTextEncoder) else NEAR
    alike = await likes(model, vector, "text")
    found = search(model.pipeline, query, text, alike, state, phrases(expanded), near)
    if found.matched:
        return Looked(found, expanded, None, failed)
    return Looked(_instead(model, query), expanded, NO_MATCHES, failed)


async def likes(model: Model, vector: Floats | None, of: Modality) -> dict[str, Floats]:
    """How like a query vector of one modality all items are, by each modality that can be compared with it."""
    content = model.catalogue.now.content
    if vector is None or content is None or not vector.any():
        return {}
    compared: dict[str, Floats] = {}
    if of == "text" or model.senses.share_space:
        compared["meaning"] = await model.senses.compared(content.text, content.mask[:, 0], vector)
    if of == "image" or model.senses.share_space:
        compared["picture"] = await model.senses.compared(content.image, content.mask[:, 1], vector)
    return compared


def _instead(model: Model, query: Query) -> Found:
    """What is trending, else popular, under the filters of the query."""
    for name in ("trending", "popular"):
        ranked = model.pipeline.propose(name, NOBODY, query)
        if len(ranked.rows):
            break
    return Found(ranked.rows, ranked.scores, ranked.sources, matched=False)
