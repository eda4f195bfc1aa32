"""Parameters of hot routes, read by hand and documented like all others.

FastAPI looks at the type of every parameter anew for each request, which takes longer than the search through the
index, and for dependencies, bodies and response models where there are none. One pydantic model over the parsed
query says the same: the same errors, the same OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, get_origin
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from serving.http.inputs import PathId

Model = TypeVar("Model", bound=BaseModel)
_PATH_ID: TypeAdapter[str] = TypeAdapter(PathId)


class PlainRoute(APIRoute):
    """A route whose function takes the request, reads it by itself, and returns the finished response."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself, with nothing of FastAPI's around it."""
        return self.endpoint


def read_query(request: Request, model: type[Model]) -> Model:
    """The query as a model; of a repeated parameter that takes one value the last counts, unknown ones are ignored.

    Raises:
        RequestValidationError: with `("query", name, …)` as the place.
    """
    text = request.scope["query_string"].decode("latin-1")
    given: dict[str, Any] = parse_qs(text, keep_blank_values=True)
    for name, values in given.items():
        field = model.model_fields.get(name)
        if field is None or get_origin(field.annotation) is not list:
            given[name] = values[-1]
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        raise _request_error(exc, "query") from None


def read_path_id(request: Request, name: str) -> str:
    """An id of the path; RequestValidationError where it is none."""
    try:
        return _PATH_ID.validate_python(request.path_params[name])
    except ValidationError as exc:
        raise _request_error(exc, "path", name) from None


def documented(path_id: str | None, model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` for a route that reads an id of its path and a query with the functions above."""
    path = {"name": path_id, "in": "path", "required": True, "schema": _PATH_ID.json_schema()}
    schemas = model.model_json_schema()
    query = [
        {
            "name": name,
            "in": "query",
            "required": name in schemas.get("required", ()),
            "schema": schema,
            "description": schema.get("description", ""),
        }
        for name, schema in schemas["properties"].items()
    ]
    return {"parameters": query if path_id is None else [path, *query]}


def _request_error(error: ValidationError, *place: str) -> RequestValidationError:
    return RequestValidationError(
        [
            {**one, "loc": (*place, *one["loc"])}
            for one in error.errors(include_url=False, include_context=False)
        ]
    )
