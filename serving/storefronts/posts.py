"""`GET /post/recommendations/`: posts with text and topic, as the StartML feed answers.

Ids are numbers for a caller whose user is one. What a post says is read from its record; while the database does not
answer, its title stands for it.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from serving.http.answers import json_answer
from serving.http.inputs import Id, Time
from serving.http.problems import RESPONSES, request_id
from serving.http.query import PlainRoute, documented, read_query
from serving.recommend.query import Query
from serving.service import service_of
from serving.storefronts.ids import numeric, spoken
from serving.storefronts.pages import category, pages

router = APIRouter(tags=["storefronts"], route_class=PlainRoute)


class FeedIn(BaseModel):
    """For whom, as of when, and how many."""

    id: Id = Field(description="the user")
    time: Time | None = Field(
        default=None,
        description="answer as of then, from events strictly before it; ISO-8601 or epoch seconds",
    )
    limit: int = Field(default=5, ge=1, le=500, description="posts wanted; fewer come where fewer are left")


class Post(BaseModel):
    """One post of a feed."""

    id: int | str
    text: str
    topic: str = Field(description="empty where none is known")


@router.get("/post/recommendations", include_in_schema=False)
@router.get(
    "/post/recommendations/", response_model=list[Post], responses=RESPONSES, summary="A user's feed",
    openapi_extra=documented(None, FeedIn),
)  # fmt: skip
async def feed(request: Request) -> Response:
    """The best posts for a user, best first, from what was known of them at `time`."""
    asked = read_query(request, FeedIn)
    service = service_of(request)
    known = await service.known(asked.id, asked.time)
    model = service.model
    ranked = model.pipeline.recommend(model.state(known), Query(asked.limit, time=asked.time))
    shown = await pages(service.store, model.catalogue, ranked.rows)
    names = spoken([page.item_id for page in shown], as_numbers=numeric(asked.id) is not None)
    posts = [
        {"id": name, "text": page.text or page.title, "topic": category(page, model.schema, "topic")}
        for name, page in zip(names, shown, strict=True)
    ]
    identity = request_id(request)
    service.impressions.note(identity, asked.id, model, ranked)
    return json_answer(posts, identity, known.failed + ranked.failed)
