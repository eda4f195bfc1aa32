"""`GET /v1/items/{item_id}/image`: the picture of an item, as its record has it."""

from __future__ import annotations

import asyncio
import hashlib
import io
from itertools import islice
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response
from PIL import Image

from catalog.documents import address_of
from catalog.errors import StoreError
from embeddings.content import UnreadableError, image_bytes
from embeddings.pictures import FORMATS
from serving.http.inputs import PathId
from serving.http.problems import UNKNOWN, problem, request_id
from serving.model import Model
from serving.service import Service, service_of

router = APIRouter(tags=["items"])
SHOWN = "public, max-age=300"
"""A picture that is replaced is seen by those who saw the old one within five minutes."""
SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"), (b"II*\x00", "image/tiff"), (b"MM\x00*", "image/tiff"),
)  # fmt: skip
"""How files begin, by kind. Nothing else is sent: what a browser takes for a document could run scripts."""
SAMPLED, SEARCHED = 12, 500
"""Pictures whose shape stands for all, and items among which they are looked for."""
NARROWEST, WIDEST, SQUARE = 0.6, 1.6, 1.0
_ratios: WeakKeyDictionary[Model, float] = WeakKeyDictionary()
PICTURE: dict[int | str, dict[str, Any]] = {
    **UNKNOWN,
    200: {
        "description": "The file.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/jpeg", "image/png", "image/webp")
        },
    },
    302: {"description": "It is on the web: `Location` says where."},
    304: {"description": "It is the one that `If-None-Match` names."},
    404: {**UNKNOWN[404], "description": "There is no such item, or it has no picture."},
}


@router.get(
    "/v1/items/{item_id:path}/image", responses=PICTURE, response_class=Response, summary="An item's picture"
)
async def image(request: Request, item_id: Annotated[PathId, Path()]) -> Response:
    """The file that was imported or uploaded, with an ETag; where the picture is on the web, the way there.

    404 where there is none, or none that is a picture.
    """
    found = await service_of(request).store.item(item_id)
    if found is None or found.deleted:
        return problem(request, 404, f"there is no item {item_id!r}; POST /v1/items adds one")
    if not found.item.image:
        return problem(
            request, 404, f"the item {item_id!r} has no picture; PATCH /v1/items/{item_id} gives it one"
        )
    address = address_of(found.item.image)
    if address is not None:
        headers = {"cache-control": SHOWN, "x-request-id": request_id(request)}
        return RedirectResponse(address, 302, headers)
    try:
        data = await asyncio.to_thread(image_bytes, found.item.image)
        kind = kind_of(data)
    except UnreadableError as exc:
        return problem(request, 404, f"expected a picture of the item {item_id!r}; it {exc}")
    headers = {
        "etag": f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"', "cache-control": SHOWN,
        "x-content-type-options": "nosniff", "x-request-id": request_id(request),
    }  # fmt: skip
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(data, 200, headers, kind)


def kind_of(data: bytes) -> str:
    """The media type of a picture file; UnreadableError where it is none that browsers know."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for signature, kind in SIGNATURES:
        if data.startswith(signature):
            return kind
    raise UnreadableError("is not a picture of a kind that is shown (JPEG, PNG, GIF, WEBP, BMP, TIFF)")


async def usual_ratio(service: Service, model: Model) -> float:
    """Width by height of the middle one of some pictures, so that a page can keep their places.

    It is looked at once for a model; SQUARE where no item has a picture, and for now where the store does not answer.
    """
    known = _ratios.get(model)
    if known is None:
        catalogue = model.catalogue
        rows = range(min(len(catalogue), SEARCHED))
        pictured = (catalogue.ids[row] for row in rows if catalogue.shown(row).get("image"))
        try:
            found = await asyncio.gather(*(_ratio(service, item_id) for item_id in islice(pictured, SAMPLED)))
        except StoreError:
            return SQUARE
        ratios = sorted(one for one in found if one is not None)
        known = _ratios[model] = round(ratios[len(ratios) // 2], 3) if ratios else SQUARE
    return known


async def _ratio(service: Service, item_id: str) -> float | None:
    found = await service.store.item(item_id)
    if found is None or not found.item.image:
        return None
    try:
        data = await asyncio.to_thread(image_bytes, found.item.image)
        width, height = Image.open(io.BytesIO(data), formats=FORMATS).size
    except (UnreadableError, OSError, Image.DecompressionBombError):
        return None
    return min(max(width / height, NARROWEST), WIDEST)
