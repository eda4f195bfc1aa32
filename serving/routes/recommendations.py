"""`GET /v1/users/{user_id}/recommendations`: the best items that a user has not seen."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from catalog.errors import DataError
from serving import pipeline
from serving.answers import RankedList, ranked_items, ranked_list
from serving.inputs import Id, PathId, Time
from serving.problems import RESPONSES, request_id
from serving.service import service_of

router = APIRouter(tags=["recommendations"])


@router.get(
    "/v1/users/{user_id:path}/recommendations",
    response_model=RankedList,
    responses=RESPONSES,
    summary="What to show a user",
)
async def recommendations(
    request: Request,
    user_id: Annotated[PathId, Path(description="any text; somebody unknown gets an answer too")],
    limit: Annotated[
        int, Query(ge=1, le=500, description="items wanted; fewer come where fewer are left")
    ] = 10,
    offset: Annotated[int, Query(ge=0, le=10_000, description="items to leave out at the top")] = 0,
    category: Annotated[list[str] | None, Query(description="only items of any of these")] = None,
    exclude: Annotated[
        list[Id] | None, Query(description="items to leave out; unknown ids are ignored")
    ] = None,
    diversity: Annotated[
        float, Query(ge=0, le=1, description="0: best first; 1: as unlike as possible")
    ] = 0.0,
    time_: Annotated[
        Time | None, Query(alias="time", description="answer as of then, from events strictly before it")
    ] = None,
    explain: Annotated[bool, Query(description="say which item of the history each is most like")] = False,
) -> Response:
    """Retrieve, filter, rank and diversify from the user's history up to the last acknowledged event."""
    started = time.perf_counter()
    service = service_of(request)
    model = service.model
    bundle = model.bundle
    if category and bundle.manifest.dataset_schema.category is None:
        raise DataError(
            f"expected no category: the data set {bundle.manifest.dataset} declares none; found {category[0]!r}"
        )
    state, failed = await service.state(model, user_id, time_)
    query = pipeline.Query(
        limit, offset, categories=tuple(category or ()), diversity=diversity, explain=explain
    )
    if exclude:
        rows = bundle.items.rows(exclude)
        query = replace(query, exclude=rows[rows >= 0])
    ranked = model.pipeline.recommend(state, query)
    return ranked_list(
        bundle, user_id, ranked_items(bundle, ranked), request_id(request),
        time.perf_counter() - started, failed + ranked.failed,
    )  # fmt: skip
