"""`GET /v1/users/{user_id}/recommendations`: the best items that a user has not seen."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.http.answers import RankedList, ranked_items, ranked_list
from serving.http.inputs import RecommendationsIn
from serving.http.problems import RESPONSES, request_id
from serving.http.query import PlainRoute, documented, read_path_id, read_query
from serving.recommend.likeness import taste
from serving.service import service_of

router = APIRouter(tags=["recommendations"], route_class=PlainRoute)


@router.get(
    "/v1/users/{user_id:id}/recommendations",
    response_model=RankedList,
    responses=RESPONSES,
    openapi_extra=documented("user_id", RecommendationsIn),
    summary="What to show a user",
)
async def recommendations(request: Request) -> Response:
    """Retrieve, filter, rank and diversify from the user's history up to the last acknowledged event.

    Any text is a user: somebody unknown gets an answer too. With `w_text`, `w_image` or `w_behaviour` the order is
    the plain fused cosine to what the history is made of, for everybody who has one.
    """
    started = time.perf_counter()
    user_id = read_path_id(request, "user_id")
    asked = read_query(request, RecommendationsIn)
    service = service_of(request)
    known = await service.known(user_id, asked.time)
    # From here on without a pause: the model and its items are those of one moment.
    model = service.model
    state, query = model.state(known), model.query(asked)
    if asked.weights is not None and len(state.history):
        profile = taste(model.catalogue.now, state.history, model.pipeline.space, model.schema)
        ranked = await model.alike(profile, asked.weights, query, state.seen)
    else:
        # On the loop, not in a thread: half a millisecond of many short numpy calls loses a third of the rate to
        # handing the interpreter's lock to and fro (measured: 855 against 581 requests/s).
        ranked = model.pipeline.recommend(state, query)
    identity = request_id(request)
    service.impressions.note(identity, user_id, model, ranked)
    return ranked_list(
        model.bundle, user_id, ranked_items(model.catalogue, ranked), identity,
        time.perf_counter() - started, known.failed + ranked.failed,
    )  # fmt: skip
