"""`/v1/items`: items one at a time, in every worker's answers as soon as they are written."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from catalog.errors import NotReadyError
from catalog.records import Item, ItemId
from embeddings.content import UnreadableError
from serving.http.answers import StoredItemOut, WrittenItem, json_answer
from serving.http.inputs import PathId
from serving.http.problems import BODY_RESPONSES, UNKNOWN, problem, request_id
from serving.live.fetch import fetched
from serving.live.intake import (
    ItemBody,
    ItemChange,
    ItemIn,
    checked,
    given_bytes,
    kept,
    read_body,
    read_features,
    refused,
)  # fmt: skip
from serving.live.stock import Taken
from serving.routes.interactions import iso
from serving.service import Service, service_of

router = APIRouter(tags=["items"])
TRIES = 3
"""Of a change to the item as it is, while others change it too."""
MOST_WAITING = 200
"""Items that one worker reads and looks at one after the other, at some milliseconds each."""


def documented(model: type[ItemBody | ItemChange]) -> dict[str, Any]:
    """`openapi_extra` of a body that comes as JSON or as a form."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    form = {**schema["properties"], "image": {"type": "string", "format": "binary"}}
    kinds = {"application/json": schema, "multipart/form-data": {**schema, "properties": form}}
    return {"requestBody": {"required": True, "content": {k: {"schema": s} for k, s in kinds.items()}}}


@router.post(
    "/v1/items",
    response_model=WrittenItem,
    status_code=201,
    responses={**BODY_RESPONSES, 200: {"model": WrittenItem, "description": "It replaced one of that id."}},
    openapi_extra=documented(ItemIn),
    summary="Add an item",
)
async def post(request: Request) -> Response:
    """Insert or replace an item: encoded, stored, and part of every answer from now on.

    It is among the similar items, the search results and the recommendations of the worker that took it when this
    answer leaves, and of all others within a second.
    """
    body, upload = await _body(request, ItemIn)
    return await _write(request, body.item_id, body, upload)


@router.put(
    "/v1/items/{item_id:id}",
    response_model=WrittenItem,
    responses={**BODY_RESPONSES, 201: {"model": WrittenItem, "description": "There was none of that id."}},
    openapi_extra=documented(ItemBody),
    summary="Replace an item",
)
async def put(request: Request, item_id: Annotated[PathId, Path()]) -> Response:
    """Insert or replace an item; what is left out of the body is empty from now on.

    Only a text or a picture that is new is encoded.
    """
    return await _write(request, item_id, *await _body(request, ItemBody))


@router.patch(
    "/v1/items/{item_id:id}",
    response_model=WrittenItem,
    responses=BODY_RESPONSES | UNKNOWN | {409: {**UNKNOWN[404], "description": "Others keep changing it."}},
    openapi_extra=documented(ItemChange),
    summary="Change some fields of an item",
)
async def patch(request: Request, item_id: Annotated[PathId, Path()]) -> Response:
    """Change what the body names, and leave the rest as it is: `{"available": false}` hides an item."""
    started = time.perf_counter()
    service = service_of(request)
    change, upload = await _body(request, ItemChange)
    given = change.model_fields_set
    picture = await _picture(service, change.image, upload)
    features = read_features(change.features or {}, service.model.schema.items)
    for _ in range(TRIES):
        found = await service.store.item(item_id)
        if found is None or found.deleted:
            return _unknown(request, item_id)
        old = found.item
        item = replace(
            old,
            title=(change.title or "") if "title" in given else old.title,
            text=(change.text or "") if "text" in given else old.text,
            image=picture if "image" in given or upload is not None else old.image,
            features={} if "features" in given and change.features is None else {**old.features, **features},
            available=old.available if change.available is None else change.available,
        )
        taken = await service.stock.put(item, over=found.updated)
        if taken is not None:
            return _written(request, service, taken, False, started)
    return problem(
        request, 409, f"expected to change {item_id!r}, which others changed {TRIES} times meanwhile"
    )


@router.delete("/v1/items/{item_id:id}", responses=UNKNOWN, summary="Remove an item")
async def delete(request: Request, item_id: Annotated[PathId, Path()]) -> Response:
    """Let an item be gone from every answer; what users did with it still tells of their taste."""
    if not await service_of(request).stock.delete(item_id):
        return _unknown(request, item_id)
    return json_answer({"item_id": item_id, "deleted": True}, request_id(request))


@router.get(
    "/v1/items/{item_id:id}", response_model=StoredItemOut, responses=UNKNOWN, summary="An item's record"
)
async def get(request: Request, item_id: Annotated[PathId, Path()]) -> Response:
    """The record as it is stored."""
    found = await service_of(request).store.item(item_id)
    if found is None or found.deleted:
        return _unknown(request, item_id)
    item = found.item
    body = {
        "item_id": item_id, "title": item.title, "text": item.text, "image": item.image is not None,
        "features": dict(item.features), "available": item.available, "updated": iso(found.updated),
    }  # fmt: skip
    return json_answer(body, request_id(request))


async def _body(request: Request, model: type[Any]) -> tuple[Any, bytes | None]:
    """The body and the upload of a form; NotReadyError where so many items wait that this one would for long."""
    service = service_of(request)
    waiting = service.model.senses.waiting
    if waiting >= MOST_WAITING:
        raise NotReadyError(
            f"expected fewer than {MOST_WAITING} items that wait to be read and looked at, found {waiting}; "
            "try again in a moment"
        )
    fields, upload = await read_body(request, service.settings.max_upload_bytes)
    return checked(model, fields), upload


async def _write(request: Request, item_id: str, body: ItemBody, upload: bytes | None) -> Response:
    started = time.perf_counter()
    service = service_of(request)
    features = read_features(body.features, service.model.schema.items)
    picture = await _picture(service, body.image, upload)
    new = service.model.catalogue.ids.row(item_id) < 0
    item = Item(ItemId(item_id), body.title, body.text, picture, features, body.available)
    taken = await service.stock.put(item)
    assert taken is not None, "a write over whatever is there always succeeds"
    return _written(request, service, taken, new, started)


async def _picture(service: Service, given: str | None, upload: bytes | None) -> str | None:
    """The picture as the record keeps it; RequestValidationError with the reason where it cannot be taken."""
    if given and upload is not None:
        raise refused("image", "expected one picture, found an upload and a text", given[:100])
    settings = service.settings
    try:
        if upload is None and given and given[:5].lower() in ("http:", "https"):
            upload = await fetched(
                given, settings.allowed_hosts, most=settings.max_upload_bytes, seconds=settings.fetch_seconds
            )
        elif upload is None and given:
            upload = given_bytes(given)
        return None if upload is None else await service.model.senses.in_turn(partial(kept, upload))
    except UnreadableError as exc:
        found = given[:100] if given else f"{len(upload or b'')} bytes"
        raise refused("image", f"expected a picture that can be read; this one {exc}", found) from None


def _written(request: Request, service: Service, taken: Taken, new: bool, started: float) -> Response:
    item, mask = taken.stored.item, taken.sensed.content.mask[0]
    body = {
        "item_id": item.item_id, "created": new, "available": item.available,
        "text": bool(mask[0]), "image": bool(mask[1]), "encoded": sorted(taken.sensed.encoded, reverse=True),
        "request_id": request_id(request), "model_version": service.model.bundle.version,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
    }  # fmt: skip
    answer = json_answer(body, request_id(request))
    answer.status_code = 201 if new else 200
    return answer


def _unknown(request: Request, item_id: str) -> Response:
    return problem(request, 404, f"there is no item {item_id!r}; POST /v1/items adds one")
