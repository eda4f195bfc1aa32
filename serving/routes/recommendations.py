"""`GET /v1/users/{user_id}/recommendations`: the best items that a user has not seen."""

from __future__ import annotations

import time

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from catalog.errors import DataError
from serving import pipeline
from serving.answers import RankedList, ranked_items, ranked_list
from serving.inputs import RecommendationsIn
from serving.problems import RESPONSES, request_id
from serving.query import PlainRoute, documented, read_path_id, read_query
from serving.service import service_of

router = APIRouter(tags=["recommendations"], route_class=PlainRoute)


@router.get(
    "/v1/users/{user_id:path}/recommendations",
    response_model=RankedList,
    responses=RESPONSES,
    openapi_extra=documented("user_id", RecommendationsIn),
    summary="What to show a user",
)
async def recommendations(request: Request) -> Response:
    """Retrieve, filter, rank and diversify from the user's history up to the last acknowledged event.

    Any text is a user: somebody unknown gets an answer too.
    """
    started = time.perf_counter()
    user_id = read_path_id(request, "user_id")
    asked = read_query(request, RecommendationsIn)
    service = service_of(request)
    known = await service.known(user_id, asked.time)
    # From here on without a pause: the model and its items are those of one moment.
    model = service.model
    bundle, catalogue = model.bundle, model.catalogue
    if asked.category and bundle.manifest.dataset_schema.category is None:
        raise DataError(
            f"expected no category: the data set {bundle.manifest.dataset} declares none; "
            f"found {asked.category[0]!r}"
        )
    excluded = catalogue.ids.rows(asked.exclude) if asked.exclude else np.zeros(0, np.int64)
    query = pipeline.Query(
        asked.limit,
        asked.offset,
        excluded[excluded >= 0],
        tuple(asked.category),
        asked.diversity,
        asked.explain,
    )
    # On the loop, not in a thread: half a millisecond of many short numpy calls loses a third of the rate to handing
    # the interpreter's lock to and fro (measured: 855 against 581 requests/s).
    ranked = model.pipeline.recommend(model.state(known), query)
    return ranked_list(
        bundle, user_id, ranked_items(catalogue, ranked), request_id(request),
        time.perf_counter() - started, known.failed + ranked.failed,
    )  # fmt: skip
