"""Errors as problem JSON (RFC 9457): what was expected, what came, and the request it happened in.

One table says which status each of our errors has. Nothing else in serving builds an error answer.
"""

from __future__ import annotations

import logging
import os
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from catalog.errors import BundleError, ConfigError, DataError, NotReadyError, RecommenderError, StoreError

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
MOST_ERRORS = 100
"""Fields that one answer complains of."""
STATUS: dict[type[RecommenderError], HTTPStatus] = {
    DataError: HTTPStatus.UNPROCESSABLE_ENTITY,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    BundleError: HTTPStatus.INTERNAL_SERVER_ERROR,
    ConfigError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_MESSAGES = {"model_type": "expected an object", "model_attributes_type": "expected an object"}
"""By pydantic's kind of error, instead of words that name classes of ours."""
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="where, as in `query.limit` or `body.user_id`")
    message: str = Field(description="what was expected")
    found: Any = Field(default=None, description="what came, shortened")


class Problem(BaseModel):
    """The body of every answer that is not a success."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldProblem] = []


RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, text in {
        422: "A field is missing or wrong; `errors` says which.",
        503: "Not ready, or the database does not answer; try again after `Retry-After` seconds.",
    }.items()
}
"""For OpenAPI; `serving.app` adds the Problem schema to the document."""
BODY_RESPONSES: dict[int | str, dict[str, Any]] = {
    **RESPONSES,
    400: {**RESPONSES[422], "description": "The body is no text, or no form, that can be read at all."},
    413: {**RESPONSES[422], "description": "The body is larger than allowed."},
}
"""The same of routes that take a body."""
UNKNOWN: dict[int | str, dict[str, Any]] = {
    **RESPONSES, 404: {**RESPONSES[422], "description": "There is no record of that id."},
}  # fmt: skip


def request_id(request: Request) -> str:
    """The caller's `X-Request-ID` where it is a plain token, else a new one; the same all through a request."""
    known: str | None = request.scope.get("towerbridge.request_id")
    if known is None:
        given = request.headers.get("x-request-id", "")
        known = given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        request.scope["towerbridge.request_id"] = known
    return known


def problem(
    request: Request, status: int, detail: str, errors: list[dict[str, Any]] | None = None, **more: Any
) -> Response:
    """The answer for something that went wrong."""
    identity = request_id(request)
    body = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
        "instance": quote(request.scope["path"]), "request_id": identity, "errors": errors or [], **more,
    }  # fmt: skip
    headers = {"x-request-id": identity}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(RETRY_SECONDS)
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let every error of the app answer as a problem."""

    async def known(request: Request, error: Exception) -> Response:
        status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, NotReadyError):
            log.warning("%s %s: %s", request.method, request.url.path, error)
        return problem(request, status, str(error))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [field_problem(one) for one in error.errors()[:MOST_ERRORS]]
        detail = "; ".join(f"{one['field']}: {one['message']}, found {one['found']!r}" for one in errors[:3])
        return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = f"there is nothing at {request.scope['path']!r}; /docs lists what there is"
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "another method")
            detail = f"expected {allowed} at {request.url.path}, found {request.method}"
        answer = problem(request, error.status_code, detail)
        answer.headers.update({key.lower(): value for key, value in (error.headers or {}).items()})
        return answer

    async def gone(request: Request, error: Exception) -> Response:
        # Nobody hears it, but it is counted: as what a client did, which is no failure of ours.
        return problem(request, HTTPStatus.BAD_REQUEST, "expected a whole body, found the connection closed")

    async def unexpected(request: Request, error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        detail = f"something that should not happen did; the log has it under request {request_id(request)}"
        return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)

    for kind in STATUS:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unexpected)


def field_problem(error: Any) -> dict[str, Any]:
    """One of pydantic's errors as `{field, message, found}`."""
    where = ".".join(str(part) for part in error["loc"])
    found = error.get("input")
    if error["type"] == "missing":
        found = None
    elif isinstance(found, int) and abs(found) >= 2**63:
        found = str(found)[:200]  # longer than numbers of an answer can be
    elif not isinstance(found, int | float | bool | None) or found != found:
        found = repr(found)[:200] if not isinstance(found, str) else found[:200]
    return {"field": where, "message": message_of(error), "found": _printable(found)}


def message_of(error: Any) -> str:
    """What one of pydantic's errors expected."""
    message: str = _MESSAGES.get(error["type"], error["msg"])
    return message.removeprefix("Value error, ")


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
