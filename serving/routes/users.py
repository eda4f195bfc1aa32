"""`/v1/users`: the records of users. Somebody without one is recommended to as well."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from catalog.records import User, UserId
from serving.http.answers import StoredUser, WrittenUser, json_answer
from serving.http.inputs import PathId
from serving.http.problems import BODY_RESPONSES, UNKNOWN, problem, request_id
from serving.live.intake import UserBody, UserIn, read_features
from serving.service import service_of

router = APIRouter(tags=["users"])
NEW = {**BODY_RESPONSES, 201: {"model": WrittenUser, "description": "There was none of that id."}}


@router.post(
    "/v1/users", response_model=WrittenUser, status_code=201, summary="Add a user",
    responses={**BODY_RESPONSES, 200: {"model": WrittenUser, "description": "It replaced one of that id."}},
)  # fmt: skip
async def post(request: Request, body: UserIn) -> Response:
    """Insert or replace a user's record."""
    return await _write(request, body.user_id, body)


@router.put("/v1/users/{user_id:id}", response_model=WrittenUser, responses=NEW, summary="Replace a user")
async def put(request: Request, user_id: Annotated[PathId, Path()], body: UserBody) -> Response:
    """Insert or replace a user's record; what is left out is not known from now on."""
    return await _write(request, user_id, body)


@router.delete("/v1/users/{user_id:id}", responses=UNKNOWN, summary="Forget a user")
async def delete(request: Request, user_id: Annotated[PathId, Path()]) -> Response:
    """Remove a user's record and all their interactions.

    What a model has learned from them stays in it until the next training.
    """
    known, events = await service_of(request).store.forget_user(user_id)
    if not known and not events:
        return _unknown(request, user_id)
    body = {"user_id": user_id, "deleted": True, "interactions": events}
    return json_answer(body, request_id(request))


@router.get("/v1/users/{user_id:id}", response_model=StoredUser, responses=UNKNOWN, summary="A user's record")
async def get(request: Request, user_id: Annotated[PathId, Path()]) -> Response:
    """The record as it is stored."""
    user = await service_of(request).store.user(user_id)
    if user is None:
        return _unknown(request, user_id)
    return json_answer({"user_id": user_id, "features": dict(user.features)}, request_id(request))


async def _write(request: Request, user_id: str, body: UserBody) -> Response:
    service = service_of(request)
    features = read_features(body.features, service.model.schema.users)
    created = await service.store.put_user(User(UserId(user_id), features))
    answer = json_answer({"user_id": user_id, "created": created}, request_id(request))
    answer.status_code = 201 if created else 200
    return answer


def _unknown(request: Request, user_id: str) -> Response:
    return problem(request, 404, f"there is no user {user_id!r}; they are recommended to all the same")
