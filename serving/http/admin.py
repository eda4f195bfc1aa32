"""Who may look after the service: whoever knows the admin key, else, where none is set, this machine alone.

A loopback address is not enough: a proxy on this machine has one whoever is behind it, and so has the browser of
somebody who visits another site. So without a key a request must have come without a proxy, under a loopback name,
and from no other site's page. What a proxy says of the address is never believed.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException

from serving.http.problems import RESPONSES
from serving.service import service_of

KEY = APIKeyHeader(
    name="X-Admin-Key", auto_error=False,
    description="The value of TOWERBRIDGE_ADMIN_KEY. Where none is set, only this machine is answered.",
)  # fmt: skip
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Any of these says that the peer is not the client."""
FORBIDDEN: dict[int | str, dict[str, Any]] = {
    **RESPONSES, 403: {**RESPONSES[422], "description": "Without the admin key, or not from this machine."},
}  # fmt: skip


def admin(request: Request, key: Annotated[str | None, Security(KEY)] = None) -> None:
    """Dependency of the routes that are not for everybody; 403 for all who may not."""
    expected = service_of(request).settings.admin_key
    if expected:
        # Headers arrive as latin-1; the time that comparing takes says nothing about the key.
        if key is None or not hmac.compare_digest(key.encode("latin-1"), expected.encode()):
            raise HTTPException(
                403, "expected the admin key in the header X-Admin-Key, found none or another"
            )
    elif not _from_here(request):
        raise HTTPException(
            403,
            "expected a request straight from this machine, because no admin key is set; "
            "start the service with TOWERBRIDGE_ADMIN_KEY and send it in the header X-Admin-Key",
        )


def _from_here(request: Request) -> bool:
    headers = request.headers
    if request.client is None or not _is_loopback(request.client.host):
        return False
    if any(name in headers for name in PROXY_HEADERS):
        return False
    if not _is_loopback_name(f"//{headers.get('host', '')}"):
        return False
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    return "origin" not in headers or _is_loopback_name(headers["origin"])


def _is_loopback_name(address: str) -> bool:
    try:
        name = urlsplit(address).hostname
    except ValueError:
        return False
    return name == "localhost" or (name is not None and _is_loopback(name))


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
