"""`/api/v1/interactions/interactions`: what the shop's users click and search, in the same store as all events.

A click is stored as the type of the data set that means one; a search as its type for searches, with its words. Both
are read back from one indexed collection, whoever sent them.
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from catalog.errors import DataError
from catalog.records import Interaction, ItemId, UserId
from catalog.schema import DatasetSchema
from serving.http.answers import json_answer
from serving.http.problems import request_id
from serving.http.query import PlainRoute, documented, read_query
from serving.live.intake import checked, parsed
from serving.observe.counts import EVENTS
from serving.routes.interactions import iso
from serving.service import service_of
from serving.storefronts.shop_inputs import (
    MALFORMED,
    MALFORMED_BODY,
    USER,
    DaysIn,
    ShopEventIn,
    query_of,
    user_of,
)

router = APIRouter(tags=["storefronts"], route_class=PlainRoute)
CLICK, SEARCH = "product_click", "search_query"
CLICKS = ("click", "product_click", "view")
"""Names of types that mean a click, the likeliest first."""


class ShopEvent(BaseModel):
    """One event."""

    event_type: str = Field(
        description="product_click, search_query, or the data set's own name of another type"
    )
    product_id: str | None
    query: str | None
    timestamp: str


@router.post(
    "/api/v1/interactions/interactions", responses={**MALFORMED_BODY, 200: {"description": "It is stored."}},
    response_class=Response, summary="Track a click or a search",
    openapi_extra={"requestBody": {
        "required": True, "content": {"application/json": {"schema": ShopEventIn.model_json_schema()}}
    }},
)  # fmt: skip
async def track(request: Request) -> Response:
    """Durable when it answers, with an empty body, and part of the user's next home page."""
    document = parsed(await request.body(), "body")
    service = service_of(request)
    try:
        event = _read(document, service.model.schema)
    except (DataError, HTTPException, RequestValidationError):
        service.counts.add(EVENTS, "rejected")
        raise
    await service.store.append([event])
    service.counts.add(EVENTS, "accepted")
    return Response(status_code=200, headers={"x-request-id": request_id(request)})


def _read(document: Any, schema: DatasetSchema) -> Interaction:
    """The event that a body tells of, now; DataError, HTTPException or RequestValidationError where it tells none."""
    event = checked(ShopEventIn, document)
    item, words = "", None
    if event.event_type == CLICK:
        if event.product_id is None:
            raise HTTPException(400, "product_id: expected one with a product_click, found none")
        item, name = event.product_id, click_type(schema)
        if name is None:
            raise DataError(
                f"event_type: expected a data set whose products are clicked; {schema.name} knows "
                f"{', '.join(schema.interactions)}, which POST /v1/interactions takes"
            )
    else:
        words, name = query_of(event.query), search_type(schema)
    return Interaction(
        UserId(event.user_id), ItemId(item), name, time.time(), sequence=time.time_ns(), query=words
    )


@router.get(
    "/api/v1/interactions/interactions/{user_id:id}", response_model=list[ShopEvent], responses=MALFORMED,
    summary="A user's clicks and searches",
    openapi_extra={"parameters": [
        {"name": "user_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": USER}},
        *documented(None, DaysIn)["parameters"],
    ]},
)  # fmt: skip
async def events(request: Request) -> Response:
    """Latest first; empty for somebody unknown."""
    user_id = user_of(request.path_params["user_id"])
    asked = read_query(request, DaysIn)
    service = service_of(request)
    since = time.time() - asked.days * 86_400
    found = await service.store.recent(user_id, service.settings.history_limit, since=since)
    click = click_type(service.model.schema)
    listed = [
        {
            "event_type": SEARCH if one.query is not None else CLICK if one.type == click else one.type,
            "product_id": one.item_id or None, "query": one.query, "timestamp": iso(one.timestamp),
        }
        for one in reversed(found)
    ]  # fmt: skip
    return json_answer(listed, request_id(request))


def click_type(schema: DatasetSchema) -> str | None:
    """The type of the data set that means a click; None where it has no such type."""
    plain = {
        name for name, kind in schema.interactions.items()
        if not kind.query and not kind.value and kind.polarity != "negative"
    }  # fmt: skip
    return next((name for name in (*CLICKS, *schema.interactions) if name in plain), None)


def search_type(schema: DatasetSchema) -> str:
    """The type of the data set that means a search; its own name where the data set does not know any."""
    return next((name for name, kind in schema.interactions.items() if kind.query), "search")
