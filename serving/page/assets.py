"""The pages for people: storefront at `/`, control room at `/admin`, reference at `/docs`, and what they load.

They are built from `web/` before the package is made, and lie beside this file: a service needs neither Node nor
another host. What a page shows it asks of the same HTTP routes as everybody.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.http.problems import problem

router = APIRouter(include_in_schema=False)
BUILT = Path(__file__).parent / "static"
"""Where `npm run build` of `web/` writes."""
TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}  # fmt: skip
PACKED = (".html", ".js", ".css", ".svg", ".txt")
"""Files that gzip makes smaller."""
FOREVER = "public, max-age=31536000, immutable"
"""For files whose names hold the hash of what is in them."""
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "font-src 'self'", "connect-src 'self'",
    "img-src 'self' blob: data: https:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))  # fmt: skip
"""A page asks this service alone, and runs no script but its own files; pictures may lie where records say."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One built file, ready to be sent."""

    body: bytes
    packed: bytes | None
    """The same by gzip, where that is smaller."""
    kind: str
    etag: str
    lasting: bool
    """Whether the name changes with the content."""


@cache
def assets() -> Mapping[str, Asset]:
    """All built files by their path below the root, read once."""
    return {
        path.relative_to(BUILT).as_posix(): _asset(path)
        for path in sorted(BUILT.rglob("*"))
        if path.suffix in TYPES
    }


@router.api_route("/", methods=["GET", "HEAD"])
async def storefront(request: Request) -> Response:
    """The shop as a user sees it."""
    return _answer(request, "index.html")


@router.api_route("/admin", methods=["GET", "HEAD"])
async def control_room(request: Request) -> Response:
    """The shop as those who run it see it; it asks for the admin key itself."""
    return _answer(request, "admin.html")


@router.api_route("/docs", methods=["GET", "HEAD"])
async def reference(request: Request) -> Response:
    """The HTTP routes, from /openapi.json; the framework's own page loads from another host."""
    return _answer(request, "reference.html")


@router.api_route("/favicon.svg", methods=["GET", "HEAD"])
async def icon(request: Request) -> Response:
    """What a browser shows beside the title."""
    return _answer(request, "favicon.svg")


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
async def file(request: Request, name: str) -> Response:
    """A script, a style sheet or a font."""
    return _answer(request, f"assets/{name}")


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    packed = gzip.compress(body, 9, mtime=0) if path.suffix in PACKED else None
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return Asset(body, packed, TYPES[path.suffix], etag, path.parent.name == "assets")


def _answer(request: Request, name: str) -> Response:
    found = assets().get(name)
    if found is None:
        return problem(request, 404, f"there is no page or file {request.url.path!r}")
    headers = {
        "etag": found.etag, "vary": "Accept-Encoding", "cache-control": FOREVER if found.lasting else "no-cache",
        "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "content-security-policy": POLICY,
    }  # fmt: skip
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    body = found.body
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = found.packed
        headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    return Response(b"" if request.method == "HEAD" else body, 200, headers, found.kind)
