"""The bodies of answers: models for the OpenAPI document, and functions that write the same JSON fast.

The models are not run: an answer of ten items is serialised by orjson from plain values, with each item's
metadata spliced in as the bytes that the bundle holds.
"""

from __future__ import annotations

from typing import Any

import orjson
from fastapi.responses import Response
from pydantic import BaseModel, Field

from bundle.reader import Bundle
from serving.catalogue import Catalogue
from serving.recommend.explain import PARTS, Reasons
from serving.recommend.likeness import MODALITIES
from serving.recommend.query import Ranked
from serving.search.hybrid import Found


class Likeness(BaseModel):
    """An item that another one is like."""

    item_id: str
    title: str
    similarity: float = Field(description="cosine of the two items' vectors, -1 … 1")


class Shares(BaseModel):
    """Of all that speaks for an item in the towers' score, the share of each part; they add up to 1."""

    text: float
    image: float
    behaviour: float = Field(description="what users did with the item; 0 for one that nobody took yet")
    features: float


class Explanation(Likeness):
    """Why an item is there: what of the user's history it is most like, and what speaks for it."""

    history: list[Likeness] = Field(description="the most similar items of the history, this one first")
    shares: Shares | None = Field(description="null where the model carries no content vectors")


class ByModality(BaseModel):
    """Cosines of two items, -1 … 1; null where one has nothing to compare."""

    text: float | None
    image: float | None
    behaviour: float | None


class RankedItem(BaseModel):
    """One item of a ranked list."""

    item_id: str
    score: float | None = Field(description="higher is better; null for an unknown item")
    source: str = Field(description="new, two_tower, item_item, popular, fused, or request")
    metadata: dict[str, Any]
    rating: float | None = Field(default=None, description="predicted rating, where the model predicts one")
    likeness: ByModality | None = Field(default=None, description="of what is ranked by fused cosine")
    explanation: Explanation | None = None
    unknown: bool = Field(default=False, description="present and true where the id is not in the catalogue")


class RankedList(BaseModel):
    """Items, best first."""

    user_id: str
    items: list[RankedItem]
    request_id: str
    model_version: str
    latency_ms: float
    degraded: bool = Field(description="whether a part of the service was done without")
    degraded_reason: list[str] = Field(default=[], description="which part; absent where nothing failed")


class RankedMovie(BaseModel):
    """One candidate of `ranked_recommendation`."""

    movie_title: str
    score: float | None = Field(description="predicted rating, four decimals; null for an unknown title")
    predicted_rating: float | None = Field(
        description="the same; null also where the model predicts no ratings and the score is the ranker's"
    )
    item_id: str | None
    unknown: bool = False


class RankedMovies(BaseModel):
    """`code` and `response` are the envelope that users of this call know."""

    code: int
    response: list[RankedMovie]
    user_id: str
    request_id: str
    model_version: str
    degraded: bool


class Accepted(BaseModel):
    """What became of a batch of interactions."""

    accepted: int = Field(description="events that are stored now, those that already were included")
    errors: list[RowProblem]


class RowProblem(BaseModel):
    """One event that was refused; the others were not."""

    index: int
    field: str
    message: str


class SimilarItems(BaseModel):
    """What is like an item, most alike first."""

    item_id: str
    items: list[RankedItem]
    request_id: str
    model_version: str
    latency_ms: float
    degraded: bool


class FoundItem(BaseModel):
    """One item that a search found."""

    item_id: str
    score: float = Field(description="of fused ranks; above 1 where the item's very name was asked for")
    source: str = Field(
        description="what ranks it highest: name, words, meaning or picture; trending or popular without a match"
    )
    metadata: dict[str, Any]


class SearchResults(BaseModel):
    """What a search found, best first."""

    query: str
    items: list[FoundItem]
    expanded: dict[str, list[str]] = Field(
        default={}, description="with `explain`: by word or phrase of the query what was searched besides"
    )
    fallback_reason: str | None = Field(
        default=None,
        description="`no_search_matches` where nothing matches, and what is trending is answered",
    )
    request_id: str
    model_version: str
    latency_ms: float
    degraded: bool
    degraded_reason: list[str] = Field(default=[], description="which part; absent where nothing failed")


class WrittenItem(BaseModel):
    """What became of an item that was sent."""

    item_id: str
    created: bool = Field(description="whether there was none of that id")
    available: bool
    text: bool = Field(description="whether there is a text that is read")
    image: bool = Field(description="whether there is a picture that is looked at")
    encoded: list[str] = Field(description="`text`, `image`: what was encoded now; the rest was known")
    request_id: str
    model_version: str
    latency_ms: float


class StoredItemOut(BaseModel):
    """An item's record."""

    item_id: str
    title: str
    text: str
    image: bool = Field(description="whether there is a picture")
    features: dict[str, Any]
    available: bool
    updated: str


class WrittenUser(BaseModel):
    """What became of a user that was sent."""

    user_id: str
    created: bool


class StoredUser(BaseModel):
    """A user's record."""

    user_id: str
    features: dict[str, Any]


class Event(BaseModel):
    """One stored interaction."""

    item_id: str | None = Field(description="null where it is a search")
    type: str
    value: float | None
    timestamp: str
    request_id: str | None
    query: str | None = Field(default=None, description="the words of a search; absent otherwise")


class Events(BaseModel):
    """A user's interactions, latest first."""

    user_id: str
    interactions: list[Event]


Accepted.model_rebuild()


def ranked_items(
    catalogue: Catalogue, ranked: Ranked, *, ratings: bool = False
) -> list[dict[str, Any]]:  # fmt: skip
    """The `items` of an answer, the unknown ones last."""
    ids, metadata = catalogue.ids, catalogue.metadata
    rows, scores = ranked.rows.tolist(), ranked.scores.tolist()
    items: list[dict[str, Any]] = [
        {"item_id": ids[row], "score": round(score, 6), "source": source,
         "metadata": orjson.Fragment(metadata[row])}
        for row, score, source in zip(rows, scores, ranked.sources, strict=True)
    ]  # fmt: skip
    if ratings and ranked.ratings is not None:
        for item, rating in zip(items, ranked.ratings.tolist(), strict=True):
            item["rating"] = round(rating, 4)
    if ranked.cosines is not None:
        for item, cosines in zip(items, ranked.cosines.tolist(), strict=True):
            item["likeness"] = {
                name: None if cosine != cosine else round(cosine, 4)
                for name, cosine in zip(MODALITIES, cosines, strict=True)
            }
    if ranked.reasons is not None:
        for place, item in enumerate(items):
            item["explanation"] = explanation(catalogue, ranked.reasons, place)
    items += [
        {"item_id": name, "score": None, "source": "request", "metadata": {}, "unknown": True}
        for name in ranked.unknown
    ]
    return items


def found_items(catalogue: Catalogue, found: Found) -> list[dict[str, Any]]:
    """The `items` of a SearchResults."""
    listed = zip(found.rows.tolist(), found.scores.tolist(), found.sources, strict=True)
    return [
        {"item_id": catalogue.ids[row], "score": round(score, 6), "source": source,
         "metadata": orjson.Fragment(catalogue.metadata[row])}
        for row, score, source in listed
    ]  # fmt: skip


def explanation(catalogue: Catalogue, reasons: Reasons, place: int) -> dict[str, Any] | None:
    """The body of an Explanation; None without a history to be like."""
    rows, cosines = reasons.rows[place].tolist(), reasons.cosines[place].tolist()
    history = [
        {"item_id": catalogue.ids[row], "title": catalogue.shown(row).get("title", ""),
         "similarity": round(cosine, 4)}
        for row, cosine in zip(rows, cosines, strict=True) if row >= 0
    ]  # fmt: skip
    if not history:
        return None
    shares = None
    if reasons.shares is not None:
        shares = {
            name: round(share, 4) for name, share in zip(PARTS, reasons.shares[place].tolist(), strict=True)
        }
    return {**history[0], "history": history, "shares": shares}


def ranked_list(
    bundle: Bundle, user_id: str, items: list[dict[str, Any]], request_id: str, seconds: float,
    failed: tuple[str, ...],
) -> Response:  # fmt: skip
    """The answer RankedList."""
    body: dict[str, Any] = {
        "user_id": user_id, "items": items, "request_id": request_id, "model_version": bundle.version,
        "latency_ms": round(seconds * 1000, 3), "degraded": bool(failed),
    }  # fmt: skip
    if failed:
        body["degraded_reason"] = failed
    return json_answer(body, request_id, failed)


def json_answer(body: object, request_id: str, failed: tuple[str, ...] = ()) -> Response:
    """Any body as an answer that bears the request's id, and in a header the parts that it was made without."""
    headers = {"x-request-id": request_id}
    if failed:
        headers["x-degraded"] = ",".join(failed)
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")
