"""`GET /v1/dataset` and `GET /v1/users`: what a page has to know before it can ask for anything."""

from __future__ import annotations

import asyncio
import heapq
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from catalog.schema import DatasetSchema
from catalog.schema import Feature as Declared
from serving.http.admin import FORBIDDEN, admin
from serving.http.answers import json_answer
from serving.http.problems import RESPONSES, request_id
from serving.page.pictures import usual_ratio
from serving.service import service_of

router = APIRouter()
CATEGORIES = 200
"""The largest ones are told of."""
LIKING, LOOKING = ("like", "love", "favorite", "save"), ("view", "click", "product_click")
"""Names under which data sets declare what a heart, and what opening an item, mean."""


class Gesture(BaseModel):
    """An interaction that stands for what somebody does on a page."""

    type: str
    value: float | None = None


class Gestures(BaseModel):
    """What to record when somebody likes, dismisses or opens an item; null where the data set has nothing for it."""

    like: Gesture | None
    dismiss: Gesture | None
    open: Gesture | None


class CategoryCount(BaseModel):
    """One category and how many items it has."""

    name: str
    items: int


class FeatureKind(BaseModel):
    """One declared side feature."""

    kind: str = Field(description="categorical, multi or numeric")


class Described(BaseModel):
    """The data set that a service answers from."""

    dataset: str
    title: str
    model_version: str
    items: int
    users: int = Field(description="known to the model; others are recommended to as well")
    category: str | None = Field(description="the item feature that categories mean")
    categories: list[CategoryCount] = Field(description="largest first")
    item_features: dict[str, FeatureKind]
    user_features: dict[str, FeatureKind]
    gestures: Gestures
    reads: bool = Field(description="whether texts are searched by meaning")
    looks: bool = Field(description="whether pictures can be searched by")
    picture_ratio: float = Field(description="width by height of most pictures; 1 where there are none")


class UserIds(BaseModel):
    """Some users of the model."""

    users: list[str]
    total: int = Field(description="of all that match")


@router.get(
    "/v1/dataset",
    response_model=Described,
    responses=RESPONSES,
    summary="What is served, and what it declares",
)
async def dataset(request: Request) -> Response:
    """The data set's name and features, its categories, and which interactions stand for what people do."""
    service = service_of(request)
    model = service.model
    schema, now = model.schema, model.catalogue.now
    sizes = {name: int(now.available[rows].sum()) for name, rows in now.categories.items()}
    largest = heapq.nlargest(CATEGORIES, sizes.items(), key=lambda one: one[1])
    body: dict[str, Any] = {
        "dataset": schema.name, "title": schema.title or schema.name, "model_version": model.bundle.version,
        "items": int(now.available.sum()), "users": len(model.bundle.users), "category": schema.category,
        "categories": [{"name": name, "items": count} for name, count in largest if count],
        "item_features": _kinds(schema.items), "user_features": _kinds(schema.users),
        "gestures": gestures(schema).model_dump(), "reads": model.senses.text is not None,
        "looks": model.senses.image is not None and now.content is not None,
        "picture_ratio": await usual_ratio(service, model),
    }  # fmt: skip
    return json_answer(body, request_id(request))


@router.get(
    "/v1/users", response_model=UserIds, responses=FORBIDDEN, summary="Users of the model", tags=["users"],
    dependencies=[Depends(admin)],
)  # fmt: skip
async def users(
    request: Request,
    q: Annotated[str, Query(max_length=200, description="a part of the id")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Users that the model was trained on, by a part of their id; those whose id begins with it come first.

    Who they are is told to administrators only: to those with the admin key, or, where none is set, on this machine.
    """
    known = service_of(request).model.bundle.users.ids
    found = await asyncio.to_thread(matching, known, q.strip(), limit)
    return json_answer({"users": found[0], "total": found[1]}, request_id(request))


def gestures(schema: DatasetSchema) -> Gestures:
    """What people do on a page, in the types that a data set declares.

    A heart is a declared liking, else the best rating, else whatever weighs most. A dismissal is a declared negative
    type, else the worst rating.
    """
    plain = {name: kind for name, kind in schema.interactions.items() if not kind.value and not kind.query}
    positive = {name: kind for name, kind in plain.items() if kind.polarity == "positive"}
    rating = schema.rating_type()
    low, high = (schema.interactions[rating].bounds or (None, None)) if rating else (None, None)
    like = next((Gesture(type=name) for name in LIKING if name in positive), None)
    if like is None and rating:
        like = Gesture(type=rating, value=high)
    if like is None and positive:
        like = Gesture(type=max(positive, key=lambda name: positive[name].weight))
    dismiss = next((Gesture(type=name) for name, kind in plain.items() if kind.polarity == "negative"), None)
    if dismiss is None and rating:
        dismiss = Gesture(type=rating, value=low)
    look = next((Gesture(type=name) for name in LOOKING if name in plain), None)
    return Gestures(like=like, dismiss=dismiss, open=look)


@lru_cache(maxsize=2)
def _ordered(ids: tuple[str, ...]) -> list[str]:
    """Ids as people count: 2 before 10."""
    return sorted(ids, key=lambda name: (len(name), name))


def matching(ids: tuple[str, ...], part: str, limit: int) -> tuple[list[str], int]:
    """Ids that hold a text, whatever its case: at most `limit`, those that begin with it first; and how many do."""
    folded = part.casefold()
    found = [name for name in _ordered(ids) if folded in name.casefold()]
    return sorted(found, key=lambda name: not name.casefold().startswith(folded))[:limit], len(found)


def _kinds(features: dict[str, Declared]) -> dict[str, dict[str, str]]:
    return {name: {"kind": feature.kind} for name, feature in features.items()}
