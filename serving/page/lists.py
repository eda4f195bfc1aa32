"""`GET /v1/lists/{source}`: what one source of candidates proposes by itself, such as what is trending."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from serving.http.answers import RankedList, ranked_items, ranked_list
from serving.http.inputs import Id, PageIn
from serving.http.problems import RESPONSES, request_id
from serving.http.query import PlainRoute, documented, read_path_id, read_query
from serving.live.state import stranger
from serving.service import service_of

router = APIRouter(tags=["recommendations"], route_class=PlainRoute)
NOBODY = ""


class SourceIn(PageIn):
    """The query of one source's list."""

    user_id: Id | None = Field(default=None, description="whose; without what they have seen")


@router.get(
    "/v1/lists/{source}", response_model=RankedList, responses=RESPONSES,
    openapi_extra=documented("source", SourceIn), summary="What one source proposes",
)  # fmt: skip
async def lists(request: Request) -> Response:
    """Items in the order of one source: `trending`, `popular`, `best_value`, `diverse` and the others that rankings
    are made of. Empty where the model does not carry what the source needs; 422 for one that is unknown.
    """
    started = time.perf_counter()
    source = read_path_id(request, "source")
    asked = read_query(request, SourceIn)
    service = service_of(request)
    known = stranger(NOBODY) if asked.user_id is None else await service.known(asked.user_id)
    model = service.model
    ranked = model.pipeline.propose(source, model.state(known), model.query(asked))
    failed = ranked.failed + (() if asked.user_id is None else known.failed)
    return ranked_list(
        model.bundle, asked.user_id or NOBODY, ranked_items(model.catalogue, ranked), request_id(request),
        time.perf_counter() - started, failed,
    )  # fmt: skip
