"""`GET /recommendations`: posts by what they say, how they look and who liked them, fused into one cosine.

A user is the mean of what they did, the latest and the most telling loudest: a save may weigh three times a like, as
the data set declares. Somebody who did nothing yet has no cosines: they get what is popular, and are told so.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, model_validator

from serving.http.answers import ByModality, json_answer
from serving.http.inputs import Id
from serving.http.problems import RESPONSES, request_id
from serving.http.query import PlainRoute, documented, read_query
from serving.recommend.likeness import MODALITIES, Weights, taste
from serving.recommend.query import Query, Ranked
from serving.service import service_of
from serving.storefronts.pages import Page, pages

router = APIRouter(tags=["storefronts"], route_class=PlainRoute)


class PicturesIn(BaseModel):
    """For whom, how many, and what counts how much."""

    user_id: Id
    limit: int = Field(default=10, ge=1, le=500, description="posts wanted; fewer come where fewer are left")
    w_text: float = Field(default=1.0, ge=0, le=1000, description="how much likeness of captions counts")
    w_image: float = Field(default=1.0, ge=0, le=1000, description="how much likeness of pictures counts")
    w_behaviour: float = Field(default=1.0, ge=0, le=1000, description="how much likeness by users counts")

    @property
    def weights(self) -> Weights:
        """How modalities are weighed."""
        return Weights(self.w_text, self.w_image, self.w_behaviour)

    @model_validator(mode="after")
    def _something_counts(self) -> PicturesIn:
        if not any(self.weights.array()):
            raise ValueError("expected one of w_text, w_image and w_behaviour above 0")
        return self


class PicturePost(BaseModel):
    """One post."""

    post_id: str
    caption: str
    image: str | None = Field(description="where the picture is; null where there is none")
    score: float | None = Field(
        description="the fused cosine to what the user likes, -1 … 1; null for strangers"
    )
    likeness: ByModality | None


class PicturePosts(BaseModel):
    """Posts, most alike first."""

    user_id: str
    recommendations: list[PicturePost]
    fallback_reason: str | None = Field(
        default=None, description="`no_history` where nothing is known of the user; absent otherwise"
    )


@router.get(
    "/recommendations", response_model=PicturePosts, responses=RESPONSES, summary="Posts that suit a user's taste",
    openapi_extra=documented(None, PicturesIn),
)  # fmt: skip
async def recommendations(request: Request) -> Response:
    """Posts that a user has not seen, by fused cosine of text, picture and behaviour."""
    asked = read_query(request, PicturesIn)
    service = service_of(request)
    known = await service.known(asked.user_id)
    model = service.model
    state, query = model.state(known), Query(asked.limit)
    body: dict[str, Any] = {"user_id": asked.user_id}
    if len(state.history):
        profile = taste(model.catalogue.now, state.history, model.pipeline.space, model.schema)
        ranked = await model.alike(profile, asked.weights, query, state.seen)
    else:
        ranked = model.pipeline.recommend(state, query)
        body["fallback_reason"] = "no_history"
    shown = await pages(service.store, model.catalogue, ranked.rows)
    body["recommendations"] = [_post(page, ranked, place) for place, page in enumerate(shown)]
    identity = request_id(request)
    service.impressions.note(identity, asked.user_id, model, ranked)
    return json_answer(body, identity, known.failed + ranked.failed)


def _post(page: Page, ranked: Ranked, place: int) -> dict[str, Any]:
    """The body of a PicturePost."""
    score = likeness = None
    if ranked.cosines is not None:
        score = round(float(ranked.scores[place]), 6)
        likeness = {
            name: None if cosine != cosine else round(cosine, 4)
            for name, cosine in zip(MODALITIES, ranked.cosines[place].tolist(), strict=True)
        }
    return {
        "post_id": page.item_id, "caption": page.title, "image": page.image, "score": score, "likeness": likeness
    }  # fmt: skip
