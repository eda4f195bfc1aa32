"""The shop's pages: home, a product's, and search.

What is personal is made of what a user clicked and searched, half and two fifths, and of a tenth of something else.
It is empty for a user who did neither for 30 days.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from catalog.errors import StoreError
from catalog.records import Interaction, Ints
from serving.http.answers import json_answer
from serving.http.problems import UNKNOWN, problem, request_id
from serving.http.query import PlainRoute, documented, read_query
from serving.model import Model
from serving.recommend.likeness import Weights, item_profile
from serving.recommend.query import NO_ROWS, Query, Ranked, UserState
from serving.search.lookup import NOBODY, look_up
from serving.service import Service, service_of
from serving.storefronts.blend import blend
from serving.storefronts.pages import pages
from serving.storefronts.products import Product, product
from serving.storefronts.shop_inputs import (
    MALFORMED,
    PRODUCT,
    HomeIn,
    ProductIn,
    ShopSearchIn,
    product_of,
    query_of,
    user_of,
)

router = APIRouter(tags=["storefronts"], route_class=PlainRoute)
STALE_DAYS = 30
SHARES = {"clicks": 0.5, "searches": 0.4, "diverse": 0.1}
"""Of what is personal."""
SEARCHES = 3
"""The latest searches, each with the same part of theirs."""
TOP_CATEGORIES = 5
ALIKE = Weights(text=1.0, image=1.0, behaviour=1.0)
NOTHING = Ranked(NO_ROWS, np.zeros(0, np.float32), [])


class Home(BaseModel):
    """The lists of the home page."""

    personalized: list[Product] = Field(description="empty for new users, and after 30 days without an event")
    trending: list[Product]
    best_value: list[Product]
    top_categories: dict[str, list[Product]] = Field(
        description="the most popular of the most popular categories"
    )
    diverse_picks: list[Product]


class Similar(BaseModel):
    """What is like a product, most alike first."""

    similar: list[Product]


class Results(BaseModel):
    """What a search found, best first."""

    results: list[Product]
    fallback_reason: str | None = Field(
        default=None, description="`no_search_matches` where these are what is trending; absent otherwise"
    )


@router.get(
    "/recommendations/home", response_model=Home, responses=MALFORMED, summary="The home page of the shop",
    openapi_extra=documented(None, HomeIn),
)  # fmt: skip
async def home(request: Request) -> Response:
    """Five lists; those that need what this data set does not have are empty."""
    asked = read_query(request, HomeIn)
    user_id, limit = user_of(asked.user_id), asked.response_limit
    service = service_of(request)
    known, recent = await asyncio.gather(service.known(user_id), _recent(service, user_id))
    model = service.model
    state, query, propose = model.state(known), Query(limit), model.pipeline.propose
    personal = await _personalized(model, state, recent, limit) if recent else NOTHING
    personalized = personal.rows
    trending, best_value = (propose(name, NOBODY, query).rows for name in ("trending", "best_value"))
    top = {
        name: propose("popular", NOBODY, Query(limit, categories=(name,))).rows
        for name in model.top_categories[:TOP_CATEGORIES]
    }
    diverse = propose("diverse", state, query).rows
    shown = await _products(service, model, [personalized, trending, best_value, *top.values(), diverse])
    body: dict[str, Any] = {
        "personalized": [shown[row] for row in personalized.tolist()],
        "trending": [shown[row] for row in trending.tolist()],
        "best_value": [shown[row] for row in best_value.tolist()],
        "top_categories": {
            name: [shown[row] for row in rows.tolist()] for name, rows in top.items() if len(rows)
        },
        "diverse_picks": [shown[row] for row in diverse.tolist()],
    }
    identity = request_id(request)
    if len(personalized):
        service.impressions.note(identity, user_id, model, personal)
    return json_answer(body, identity, known.failed)


@router.get(
    "/recommendations/product/{product_id:id}", response_model=Similar, responses={**MALFORMED, 404: UNKNOWN[404]},
    summary="What is like a product",
    openapi_extra={"parameters": [
        {"name": "product_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": PRODUCT}},
        *documented(None, ProductIn)["parameters"],
    ]},
)  # fmt: skip
async def similar(request: Request) -> Response:
    """Other products by what they say, how they look and who took them, fused."""
    product_id = product_of(request.path_params["product_id"])
    asked = read_query(request, ProductIn)
    service = service_of(request)
    model = service.model
    row = model.catalogue.ids.row(product_id)
    if row < 0:
        return problem(request, 404, f"there is no product {product_id!r}; POST /v1/items adds one")
    profile = item_profile(model.catalogue.now, row)
    ranked = await model.alike(profile, ALIKE, Query(asked.response_limit), np.array([row]))
    shown = await _products(service, model, [ranked.rows])
    body = {"similar": [shown[row] for row in ranked.rows.tolist()]}
    return json_answer(body, request_id(request), ranked.failed)


@router.get(
    "/recommendations/search", response_model=Results, responses=MALFORMED, summary="Search the shop",
    openapi_extra=documented(None, ShopSearchIn),
)  # fmt: skip
async def results(request: Request) -> Response:
    """By words, their synonyms and their meaning; where nothing matches, what is trending."""
    asked = read_query(request, ShopSearchIn)
    words = query_of(asked.query)
    service = service_of(request)
    model = service.model
    looked = await look_up(model, words, Query(asked.response_limit))
    shown = await _products(service, model, [looked.found.rows])
    body: dict[str, Any] = {"results": [shown[row] for row in looked.found.rows.tolist()]}
    if looked.fallback_reason is not None:
        body["fallback_reason"] = looked.fallback_reason
    return json_answer(body, request_id(request), looked.failed)


async def _recent(service: Service, user_id: str) -> list[Interaction]:
    """What a user did before they would be stale, oldest first; nothing while the database does not answer."""
    try:
        return await service.store.recent(
            user_id, service.settings.history_limit, since=time.time() - STALE_DAYS * 86_400
        )
    except StoreError:
        return []


async def _personalized(model: Model, state: UserState, recent: Sequence[Interaction], limit: int) -> Ranked:
    """What suits somebody's clicks and searches, and something else, without scores: theirs are of no one scale."""
    clicks = model.pipeline.recommend(state, Query(limit)).rows if len(state.history) else NO_ROWS
    queries = dict.fromkeys(one.query.casefold() for one in reversed(recent) if one.query)
    found = []
    for words in list(queries)[:SEARCHES]:
        looked = await look_up(model, words, Query(limit, exclude=state.seen), state)
        if looked.fallback_reason is None:
            found.append(looked.found.rows)
    searches, _ = blend([(rows, 1.0) for rows in found], limit)
    if not len(clicks) and not len(searches):
        return NOTHING
    diverse = model.pipeline.propose("diverse", state, Query(limit)).rows
    lists = {"clicks": clicks, "searches": searches, "diverse": diverse}
    rows, of = blend([(lists[name], share) for name, share in SHARES.items()], limit)
    names = list(SHARES)
    return Ranked(rows, np.full(len(rows), np.nan, np.float32), [names[at] for at in of.tolist()])


async def _products(service: Service, model: Model, lists: Sequence[Ints]) -> Mapping[int, dict[str, Any]]:
    """The products of some lists, by row."""
    rows = np.unique(np.concatenate(lists))
    shown = await pages(service.store, model.catalogue, rows)
    return {row: product(page, model.schema) for row, page in zip(rows.tolist(), shown, strict=True)}


under_v1 = APIRouter(route_class=PlainRoute)
"""The same pages where the shop really had them, though its description did not say so."""
for _path, _page in (("home", home), ("product/{product_id:id}", similar), ("search", results)):
    under_v1.add_api_route(f"/api/v1/recommendations/{_path}", _page, include_in_schema=False)
