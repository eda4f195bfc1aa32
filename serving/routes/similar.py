"""`GET /v1/items/{item_id}/similar`: what is like an item."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.http.answers import SimilarItems, json_answer, ranked_items
from serving.http.inputs import SimilarIn
from serving.http.problems import UNKNOWN, problem, request_id
from serving.http.query import PlainRoute, documented, read_path_id, read_query
from serving.recommend.likeness import Weights, item_profile
from serving.service import service_of

router = APIRouter(tags=["items"], route_class=PlainRoute)
LEARNED = Weights(behaviour=1.0)
"""By the towers' vectors alone, which are made of all modalities."""


@router.get(
    "/v1/items/{item_id:id}/similar", response_model=SimilarItems, responses=UNKNOWN,
    summary="What is like an item", openapi_extra=documented("item_id", SimilarIn),
)  # fmt: skip
async def similar(request: Request) -> Response:
    """Other items, most alike first: by the learned vectors, by weighted text, picture and behaviour, or by who took
    them together.
    """
    started = time.perf_counter()
    item_id = read_path_id(request, "item_id")
    asked = read_query(request, SimilarIn)
    model = service_of(request).model
    row = model.catalogue.ids.row(item_id)
    if row < 0:
        return problem(request, 404, f"there is no item {item_id!r}; POST /v1/items adds one")
    query = model.query(asked)
    if asked.by == "covisitation":
        ranked = model.pipeline.together(row, query)
    else:
        profile = item_profile(model.catalogue.now, row)
        ranked = await model.alike(profile, asked.weights or LEARNED, query, np.array([row]))
    body: dict[str, Any] = {
        "item_id": item_id, "items": ranked_items(model.catalogue, ranked),
        "request_id": request_id(request), "model_version": model.bundle.version,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3), "degraded": False,
    }  # fmt: skip
    return json_answer(body, request_id(request))
