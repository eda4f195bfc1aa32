"""`POST /recommend`: ids for a user and how long that took, as the RetailRocket service answers.

Ids are numbers for a caller whose user is a number, texts for others.
"""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from serving.http.answers import json_answer
from serving.http.inputs import Count, Id
from serving.http.problems import BODY_RESPONSES, request_id
from serving.http.query import PlainRoute
from serving.live.intake import checked, parsed
from serving.recommend.query import Query
from serving.service import service_of
from serving.storefronts.ids import numeric, spoken

router = APIRouter(tags=["storefronts"], route_class=PlainRoute)


class RecommendIn(BaseModel):
    """For whom, and how many; other keys are ignored, as the service of this shape did."""

    user_id: Id
    k: Count = Field(default=10, ge=1, le=500, description="ids wanted; fewer come where fewer are left")


class RecommendedIds(BaseModel):
    """Ids, best first."""

    user_id: int | str = Field(description="as it was sent")
    recommendations: list[int | str]
    latency_ms: float


@router.post(
    "/recommend", response_model=RecommendedIds, responses=BODY_RESPONSES, summary="Ids for a user",
    openapi_extra={"requestBody": {
        "required": True, "content": {"application/json": {"schema": RecommendIn.model_json_schema()}}
    }},
)  # fmt: skip
async def recommend(request: Request) -> Response:
    """The best items that a user has not seen; somebody unknown gets an answer too."""
    started = time.perf_counter()
    sent = parsed(await request.body(), "body")
    asked = checked(RecommendIn, sent)
    service = service_of(request)
    known = await service.known(asked.user_id)
    model = service.model
    ranked = model.pipeline.recommend(model.state(known), Query(asked.k))
    number = None if isinstance(sent["user_id"], str) else numeric(asked.user_id)
    ids = model.catalogue.ids
    body = {
        "user_id": asked.user_id if number is None else number,
        "recommendations": spoken([ids[row] for row in ranked.rows.tolist()], as_numbers=number is not None),
        "latency_ms": round((time.perf_counter() - started) * 1000, 2),
    }
    identity = request_id(request)
    service.impressions.note(identity, asked.user_id, model, ranked)
    return json_answer(body, identity, known.failed + ranked.failed)
