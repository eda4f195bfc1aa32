"""`POST /recommendation/ranked_recommendation`: movies by title, as the MovieLens ranking service answers.

Its envelope is kept (`code`, and `response` with `movie_title` and `score`); what it did not say is added
beside. Every title comes back as it was sent, each once; one that is not in the catalogue comes last with a null
score, instead of a made-up one.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.http.answers import RankedMovies, json_answer
from serving.http.inputs import RankMoviesIn
from serving.http.problems import BODY_RESPONSES, request_id
from serving.http.query import PlainRoute
from serving.live.intake import checked, parsed
from serving.service import service_of

router = APIRouter(tags=["storefronts"], route_class=PlainRoute)


@router.post(
    "/recommendation/ranked_recommendation",
    response_model=RankedMovies,
    responses=BODY_RESPONSES,
    summary="Rank movies by title, by predicted rating",
    openapi_extra={"requestBody": {
        "required": True, "content": {"application/json": {"schema": RankMoviesIn.model_json_schema()}}
    }},
)  # fmt: skip
async def ranked_recommendation(request: Request) -> Response:
    """Each title once, by predicted rating, best first; unknown titles at the end, marked."""
    asked = checked(RankMoviesIn, parsed(await request.body(), "body"))
    service = service_of(request)
    known = await service.known(asked.user_id)
    model = service.model
    rows = (await model.titles()).rows(asked.candidate_movies)
    titles: dict[str, list[str]] = {}
    for title, row in rows.items():
        if row >= 0:
            titles.setdefault(model.catalogue.ids[row], []).append(title)
    ranked = model.pipeline.rank(model.state(known), list(titles), by="rating")
    ratings = ranked.scores if ranked.ratings is None else ranked.ratings
    response: list[dict[str, Any]] = []
    for row, number in zip(ranked.rows.tolist(), ratings.tolist(), strict=True):
        name = model.catalogue.ids[row]
        response += [
            {"movie_title": title, "score": round(number, 4),
             "predicted_rating": None if ranked.ratings is None else round(number, 4), "item_id": name}
            for title in titles[name]
        ]  # fmt: skip
    response += [
        {"movie_title": title, "score": None, "predicted_rating": None, "item_id": None, "unknown": True}
        for title, row in rows.items()
        if row < 0
    ]
    failed, identity = known.failed + ranked.failed, request_id(request)
    body = {
        "code": 200, "response": response, "user_id": asked.user_id, "request_id": identity,
        "model_version": model.bundle.version, "degraded": bool(failed),
    }  # fmt: skip
    return json_answer(body, identity, failed)
