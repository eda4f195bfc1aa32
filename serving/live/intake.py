"""Posted items and users as records: what a body may hold, and what is wrong with it.

A picture comes as an upload, as a data: URI, or by address where its host is allowed; it is kept in the record as a
data: URI. Features are those that the data set declares, of the kind that it declares. Nothing is stored here.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.datastructures import UploadFile

from catalog.errors import DataError
from catalog.records import FeatureValue
from catalog.schema import Feature
from embeddings.content import UnreadableError, image_bytes
from embeddings.pictures import FORMATS, decode
from serving.http.inputs import Id

LONGEST_TITLE, LONGEST_TEXT = 10_000, 1_048_576
"""Characters. Encoders read the first few thousand words; the rest is kept and searched by word."""
MOST_FEATURES, MOST_MEMBERS, LONGEST_VALUE = 200, 200, 1000
KEPT_BYTES = 512 * 1024
"""A picture file up to this size is kept as it came; a larger one is scaled down and kept as JPEG."""
KEPT_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
KEPT_SIDE, KEPT_QUALITY = 1024, 90

Model = TypeVar("Model", bound=BaseModel)
Value = Annotated[str, StringConstraints(max_length=LONGEST_VALUE)]
Given = Value | float | bool | list[Value] | None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ItemBody(_Body):
    """An item without its id; what is left out is empty."""

    title: str = Field(default="", max_length=LONGEST_TITLE)
    text: str = Field(default="", max_length=LONGEST_TEXT, description="description, plot or caption")
    image: str | None = Field(
        default=None,
        description="a picture as a `data:` URI, or its https address where the host is allowed (`image_hosts`); "
        "or an upload of that name in a form",
    )
    features: dict[str, Given] = Field(
        default={}, max_length=MOST_FEATURES, description="by name, as the data set declares them"
    )
    available: bool = Field(default=True, description="false hides the item")


class ItemIn(ItemBody):
    """An item as it is posted."""

    item_id: Id


class ItemChange(_Body):
    """What is to change of an item: fields that are left out stay, null empties (JSON merge patch, RFC 7396)."""

    title: str | None = Field(default=None, max_length=LONGEST_TITLE)
    text: str | None = Field(default=None, max_length=LONGEST_TEXT)
    image: str | None = None
    features: dict[str, Given] | None = Field(
        default=None, max_length=MOST_FEATURES, description="the named ones change, the others stay"
    )
    available: bool | None = None


class ImageQuery(_Body):
    """A picture to search by; a form carries it as an upload instead."""

    image: str | None = Field(default=None, description="a picture as a `data:` URI")


class UserBody(_Body):
    """A user without their id."""

    features: dict[str, Given] = Field(
        default={}, max_length=MOST_FEATURES, description="by name, as the data set declares them"
    )


class UserIn(UserBody):
    """A user as they are posted."""

    user_id: Id


async def read_body(request: Request, most: int) -> tuple[dict[str, Any], bytes | None]:
    """The fields of a JSON or form body, and the uploaded picture of a form.

    In a form, `features` is JSON text. Uploads of over a megabyte lie on disk while they come.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        document = parsed(await request.body(), "body")
        if not isinstance(document, dict):
            raise DataError(f"expected an object in the body, found {type(document).__name__}")
        return document, None
    fields: dict[str, Any] = {}
    upload: bytes | None = None
    async with request.form(max_files=1, max_fields=10, max_part_size=most) as form:
        for name, value in form.multi_items():
            if name in fields or (name == "image" and upload is not None):
                raise DataError(f"expected the field {name!r} once in the form, found it again")
            if not isinstance(value, UploadFile):
                fields[name] = parsed(value.encode(), name) if name == "features" else value
            elif name == "image":
                upload = await value.read()
            else:
                raise DataError(f"expected a file as `image` only, found one as {name!r}")
    return fields, upload


def parsed(text: bytes, where: str) -> Any:
    """JSON, or DataError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise DataError(f"expected JSON in {where}, found {exc}") from exc


def checked(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """Fields as a model; RequestValidationError with `("body", name, …)` as the place."""
    try:
        return model.model_validate(fields)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in errors]) from None


def refused(field: str, message: str, found: object) -> RequestValidationError:
    """One field of the body that cannot be taken."""
    return RequestValidationError(
        [{"loc": ("body", field), "msg": message, "type": "refused", "input": found}]
    )


def read_features(given: Mapping[str, Given], declared: Mapping[str, Feature]) -> dict[str, FeatureValue]:
    """Features as records hold them.

    Raises:
        RequestValidationError: one is not declared, or of another kind than declared.
    """
    read: dict[str, FeatureValue] = {}
    for name, value in given.items():
        if name not in declared:
            known = ", ".join(declared) or "the data set declares none"
            raise refused(f"features.{name}", f"expected one of {known}", name)
        kind = declared[name].kind
        if value is None:
            read[name] = None
        elif kind == "numeric" and isinstance(value, float) and abs(value) < float("inf"):
            read[name] = value
        elif kind == "multi" and isinstance(value, list) and len(value) <= MOST_MEMBERS:
            read[name] = tuple(value)
        elif kind == "categorical" and isinstance(value, str):
            read[name] = value
        elif kind == "categorical" and isinstance(value, float) and value.is_integer():
            read[name] = str(int(value))
        else:
            wanted = {"numeric": "a finite number", "multi": f"a list of at most {MOST_MEMBERS} words"}
            raise refused(f"features.{name}", f"expected {wanted.get(kind, 'a word')} or null", value)
    return read


def given_bytes(image: str) -> bytes:
    """The bytes of a data: URI, and of nothing else: no file of this machine, no address."""
    if image[:5].lower() != "data:":
        raise UnreadableError("is neither a data: URI nor an https address nor an upload")
    return image_bytes(image)


def kept(data: bytes) -> str:
    """A picture file as the data: URI that its record keeps. Takes its time: not for the event loop.

    Raises:
        UnreadableError: it is no picture, damaged or too large; with the reason.
    """
    picture = decode(data)
    with Image.open(io.BytesIO(data), formats=FORMATS) as file:
        form = file.format
    if len(data) > KEPT_BYTES or form not in KEPT_FORMATS:
        picture.thumbnail((KEPT_SIDE, KEPT_SIDE))
        smaller = io.BytesIO()
        picture.save(smaller, "JPEG", quality=KEPT_QUALITY)
        form, data = "JPEG", smaller.getvalue()
    return f"data:image/{form.lower()};base64,{b64encode(data).decode()}"
