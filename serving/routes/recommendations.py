"""`GET /v1/users/{user_id}/recommendations`: the best items that a user has not seen."""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from catalog.errors import DataError
from serving import pipeline
from serving.answers import RankedList, ranked_items, ranked_list
from serving.inputs import PathId, RecommendationsIn
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
    asked: Annotated[RecommendationsIn, Query()],
) -> Response:
    """Retrieve, filter, rank and diversify from the user's history up to the last acknowledged event."""
    started = time.perf_counter()
    service = service_of(request)
    model = service.model
    bundle = model.bundle
    if asked.category and bundle.manifest.dataset_schema.category is None:
        raise DataError(
            f"expected no category: the data set {bundle.manifest.dataset} declares none; "
            f"found {asked.category[0]!r}"
        )
    state, failed = await service.state(model, user_id, asked.time)
    excluded = bundle.items.rows(asked.exclude) if asked.exclude else np.zeros(0, np.int64)
    query = pipeline.Query(
        asked.limit,
        asked.offset,
        excluded[excluded >= 0],
        tuple(asked.category),
        asked.diversity,
        asked.explain,
    )
    ranked = model.pipeline.recommend(state, query)
    return ranked_list(
        bundle, user_id, ranked_items(bundle, ranked), request_id(request),
        time.perf_counter() - started, failed + ranked.failed,
    )  # fmt: skip
