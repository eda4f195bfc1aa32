"""`POST /v1/interactions` and `GET /v1/users/{user_id}/interactions`: what users did."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from catalog.errors import DataError
from serving.http.answers import Accepted, Events, json_answer
from serving.http.inputs import MAX_ROWS, EventError, InteractionIn, PathId, read_event
from serving.http.problems import BODY_RESPONSES, RESPONSES, problem, request_id
from serving.observe.counts import EVENTS
from serving.service import service_of

router = APIRouter(tags=["interactions"])
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        InteractionIn.model_json_schema(ref_template="#/components/schemas/{model}"),
                        {
                            "type": "array",
                            "maxItems": MAX_ROWS,
                            "items": InteractionIn.model_json_schema(
                                ref_template="#/components/schemas/{model}"
                            ),
                        },
                    ]
                }
            }
        },
    }
}


@router.post(
    "/v1/interactions",
    response_model=Accepted,
    responses=BODY_RESPONSES,
    openapi_extra=BODY,
    summary="Record what users did",
)
async def record(request: Request) -> Response:
    """One event or an array; acknowledged once journaled, and part of the user's very next answer.

    Of an array, good events are stored and bad ones reported by row. A single bad event is refused (422).
    An event sent again (same `event_id`, else same user, item, type, time and value) changes nothing.
    """
    service = service_of(request)
    schema = service.model.bundle.manifest.dataset_schema
    try:
        document: Any = orjson.loads(await request.body())
    except orjson.JSONDecodeError as exc:
        raise DataError(f"expected an event or an array of events as JSON, found {exc}") from exc
    rows = document if isinstance(document, list) else [document]
    if len(rows) > MAX_ROWS:
        raise DataError(f"expected at most {MAX_ROWS} events in one request, found {len(rows)}; send several")
    now, sequence = time.time(), time.time_ns()
    events, errors = [], []
    for index, row in enumerate(rows):
        try:
            events.append(read_event(row, schema, now, sequence + index))
        except EventError as exc:
            errors.append({"index": index, "field": exc.field, "message": exc.message})
    if errors:
        service.counts.add(EVENTS, "rejected", len(errors))
    if errors and not isinstance(document, list):
        return problem(
            request, 422, f"{errors[0]['field'] or 'body'}: {errors[0]['message']}", errors, accepted=0
        )
    if events:
        await service.store.append(events)
        service.counts.add(EVENTS, "accepted", len(events))
    return json_answer({"accepted": len(events), "errors": errors}, request_id(request))


@router.get(
    "/v1/users/{user_id:id}/interactions",
    response_model=Events,
    responses=RESPONSES,
    summary="What a user did",
)
async def history(
    request: Request,
    user_id: Annotated[PathId, Path()],
    days: Annotated[float | None, Query(gt=0, le=36_525, description="only the last so many days")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """A user's events, latest first; empty for somebody unknown."""
    since = None if days is None else time.time() - days * 86_400
    events = await service_of(request).store.recent(user_id, limit, since=since)
    listed = [
        {
            "item_id": one.item_id or None, "type": one.type, "value": one.value,
            "timestamp": iso(one.timestamp), "request_id": one.request_id,
            **({} if one.query is None else {"query": one.query}),
        }
        for one in reversed(events)
    ]  # fmt: skip
    return json_answer({"user_id": user_id, "interactions": listed}, request_id(request))


def iso(seconds: float) -> str:
    """A moment as ISO-8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
