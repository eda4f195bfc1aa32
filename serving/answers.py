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
from serving.explain import PARTS, Reasons
from serving.pipeline import Ranked


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


class RankedItem(BaseModel):
    """One item of a ranked list."""

    item_id: str
    score: float | None = Field(description="higher is better; null for an unknown item")
    source: str = Field(description="new, two_tower, item_item, popular, fused, or request")
    metadata: dict[str, Any]
    rating: float | None = Field(default=None, description="predicted rating, where the model predicts one")
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


class Event(BaseModel):
    """One stored interaction."""

    item_id: str
    type: str
    value: float | None
    timestamp: str
    request_id: str | None


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
    if ranked.reasons is not None:
        for place, item in enumerate(items):
            item["explanation"] = explanation(catalogue, ranked.reasons, place)
    items += [
        {"item_id": name, "score": None, "source": "request", "metadata": {}, "unknown": True}
        for name in ranked.unknown
    ]
    return items


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
    return json_answer(body, request_id)


def json_answer(body: dict[str, Any], request_id: str) -> Response:
    """Any body as an answer that bears the request's id."""
    return Response(orjson.dumps(body), headers={"x-request-id": request_id}, media_type="application/json")
