"""`GET /v1/search` and `POST /v1/search/image`: items by words, by meaning, and by how they look."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from catalog.records import Floats
from embeddings.content import UnreadableError
from embeddings.encoder import Modality
from serving.answers import SearchResults, found_items, json_answer
from serving.inputs import PictureSearchIn, SearchIn
from serving.intake import ImageQuery, checked, given_bytes, kept, read_body, refused
from serving.model import Model
from serving.problems import BODY_RESPONSES, RESPONSES, problem, request_id
from serving.query import PlainRoute, documented, read_query
from serving.search import search
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
    words alone decide, and the answer says so.
    """
    started = time.perf_counter()
    asked = read_query(request, SearchIn)
    service = service_of(request)
    model = service.model
    vector, failed = None, tuple[str, ...]()
    if model.senses.text is None or model.catalogue.now.content is None:
        failed = ("text_encoder",)
    else:
        vector = (await model.senses.beside(partial(model.senses.text.encode_texts, [asked.q])))[0]
    likes = await _likes(model, vector, "text")
    return await _answer(request, service, asked, asked.q, likes, failed, started)


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
    return await _answer(request, service, asked, "", await _likes(model, vector, "image"), (), started)


async def _likes(model: Model, vector: Floats | None, of: Modality) -> dict[str, Floats]:
    """How like a query vector of one modality all items are, by each modality that can be compared with it."""
    content = model.catalogue.now.content
    if vector is None or content is None or not vector.any():
        return {}
    likes: dict[str, Floats] = {}
    if of == "text" or model.senses.share_space:
        likes["meaning"] = await model.senses.compared(content.text, content.mask[:, 0], vector)
    if of == "image" or model.senses.share_space:
        likes["picture"] = await model.senses.compared(content.image, content.mask[:, 1], vector)
    return likes


async def _answer(
    request: Request, service: Service, asked: PictureSearchIn, text: str, likes: dict[str, Floats],
    failed: tuple[str, ...], started: float,
) -> Response:  # fmt: skip
    known = None
    if asked.user_id is not None:
        known = await service.known(asked.user_id)
        failed += known.failed
    model = service.model
    state = None if known is None else model.state(known)
    found = search(model.pipeline, model.query(asked), text, likes, state)
    body: dict[str, Any] = {
        "query": text, "items": found_items(model.catalogue, found), "request_id": request_id(request),
        "model_version": model.bundle.version,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3), "degraded": bool(failed),
    }  # fmt: skip
    if failed:
        body["degraded_reason"] = failed
    return json_answer(body, request_id(request))
