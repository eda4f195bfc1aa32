"""`POST /v1/rank`: the caller's candidates, ranked for a user."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.http.answers import RankedList, ranked_items, ranked_list
from serving.http.inputs import CandidateIn, RankIn
from serving.http.problems import BODY_RESPONSES, request_id
from serving.service import service_of

router = APIRouter(tags=["recommendations"])


@router.post(
    "/v1/rank", response_model=RankedList, responses=BODY_RESPONSES, summary="Rank given items for a user"
)
async def rank(request: Request, body: RankIn) -> Response:
    """All candidates come back, each once; those not in the catalogue at the end, marked `unknown`."""
    started = time.perf_counter()
    service = service_of(request)
    ids = [one.item_id if isinstance(one, CandidateIn) else one for one in body.candidates]
    known = await service.known(body.user_id)
    model = service.model
    ranked = model.pipeline.rank(model.state(known), ids)
    return ranked_list(
        model.bundle, body.user_id, ranked_items(model.catalogue, ranked, ratings=True), request_id(request),
        time.perf_counter() - started, known.failed + ranked.failed,
    )  # fmt: skip
