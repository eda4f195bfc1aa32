"""`GET /v1/search` and `POST /v1/search/image`: items by words, by meaning, and by how they look."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from embeddings.content import UnreadableError
from serving.http.answers import SearchResults, found_items, json_answer
from serving.http.inputs import PictureSearchIn, SearchIn
from serving.http.problems import BODY_RESPONSES, RESPONSES, problem, request_id
from serving.http.query import PlainRoute, documented, read_query
from serving.live.intake import ImageQuery, checked, given_bytes, kept, read_body, refused
from serving.model import Model
from serving.recommend.query import UserState
from serving.search.hybrid import Found, search
from serving.search.lookup import likes, look_up
from serving.service import Service, service_of

router = APIRouter(tags=["search"], route_class=PlainRoute)
NO_ENCODER: dict[int | str, dict[str, Any]] = {
    **BODY_RESPONSES, 501: {**RESPONSES[422], "description": "This model has no image encoder."}
}  # fmt: skip


@router.get(
    "/v1/search", response_model=SearchResults, responses=RESPONSES, summary="Search items",
    openapi_extra=documented(None, SearchIn),
)  # fmt: skip
async def by_text(request: Request) -> Response:
    """Items by their words and by their meaning; one whose very name is asked for comes first.

    With `user_id`, what suits the user comes sooner. Where the model has no text encoder, or content vectors, the
    words alone decide, and the answer says so. What is called otherwise is found too: by synonyms, and where no item
    says a word, by what the encoder suggests in its stead. Where nothing matches, what is trending is answered.
    """
    started = time.perf_counter()
    asked = read_query(request, SearchIn)
    service = service_of(request)
    state, failed = await _eyes(service, asked)
    model = service.model
    looked = await look_up(model, asked.q, model.query(asked), state)
    more: dict[str, Any] = {"expanded": looked.expanded} if asked.explain else {}
    if looked.fallback_reason is not None:
        more["fallback_reason"] = looked.fallback_reason
    return _answer(request, model, asked.q, looked.found, failed + looked.failed, started, **more)


@router.post(
    "/v1/search/image", response_model=SearchResults, responses=NO_ENCODER, summary="Search items by a picture",
    openapi_extra={
        **documented(None, PictureSearchIn),
        "requestBody": {"required": True, "content": {
            "application/json": {"schema": ImageQuery.model_json_schema()},
            "multipart/form-data": {"schema": {
                "type": "object", "properties": {"image": {"type": "string", "format": "binary"}}
            }},
        }},
    },
)  # fmt: skip
async def by_picture(request: Request) -> Response:
    """Items that look like a picture: an upload named `image` in a form, or `{"image": "data:…"}`."""
    started = time.perf_counter()
    asked = read_query(request, PictureSearchIn)
    service = service_of(request)
    fields, upload = await read_body(request, service.settings.max_upload_bytes)
    body = checked(ImageQuery, fields)
    model = service.model
    encoder = model.senses.image
    if encoder is None or model.catalogue.now.content is None:
        return problem(
            request, 501, "expected a model that looks at pictures, found one that was trained without"
        )

    def look() -> Any:
        data = upload if upload is not None else given_bytes(body.image or "")
        picture = given_bytes(kept(data))
        (vector,), (reason,) = encoder.encode_pictures([picture])
        if reason is not None:
            raise UnreadableError(reason)
        return vector

    try:
        vector = await model.senses.beside(look)
    except UnreadableError as exc:
        raise refused("image", f"expected a picture that can be read; this one {exc}", None) from None
    alike = await likes(model, vector, "image")
    state, failed = await _eyes(service, asked)
    found = search(model.pipeline, model.query(asked), "", alike, state)
    return _answer(request, model, "", found, failed, started)


async def _eyes(service: Service, asked: PictureSearchIn) -> tuple[UserState | None, tuple[str, ...]]:
    """In whose eyes to search, and what was done without to know them."""
    if asked.user_id is None:
        return None, ()
    known = await service.known(asked.user_id)
    return service.model.state(known), known.failed


def _answer(
    request: Request,
    model: Model,
    text: str,
    found: Found,
    failed: tuple[str, ...],
    started: float,
    **more: Any,
) -> Response:
    """The answer SearchResults."""
    body: dict[str, Any] = {
        "query": text, "items": found_items(model.catalogue, found), **more, "request_id": request_id(request),
        "model_version": model.bundle.version,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3), "degraded": bool(failed),
    }  # fmt: skip
    if failed:
        body["degraded_reason"] = failed
    return json_answer(body, request_id(request), failed)
