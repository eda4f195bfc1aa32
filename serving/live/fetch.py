"""Pictures by address: from hosts that are allowed, and from nowhere inside.

A service that fetches what strangers name can be made to ask its own network (server-side request forgery). So the
host must be on a list, all its addresses must be public, the connection goes to the very address that was looked at
(a second look-up could answer otherwise), and a redirect may only lead to the same host. Size and time are bounded.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from embeddings.content import UnreadableError

REDIRECTS = 3
CHUNK = 65_536
PORTS = {"http": 80, "https": 443}
KINDS = ("image/", "application/octet-stream", "binary/octet-stream")
"""What the answer may call itself; whether it is a picture its bytes will tell."""

TOGETHER = 8
"""Pictures that are fetched at the same time."""
GRACE_SECONDS = 0.5
"""For saying what went wrong, where a fetch ends in time by itself."""
_threads = ThreadPoolExecutor(TOGETHER, "fetch")

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnreadableError(f"is at {host}, which has no address: {error}") from error
    return [str(one[4][0]) for one in found]


def is_public(address: str) -> bool:
    """Whether an address is somebody's on the internet, and none of ours in other clothes."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found in NAT64:
            found = ipaddress.IPv4Address(found.packed[-4:])
        elif found.sixtofour is not None or found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def fetch(
    address: str, allowed: frozenset[str], *, most: int, seconds: float, resolve: Resolve = resolve,
    public: Callable[[str], bool] = is_public,
) -> bytes:  # fmt: skip
    """The body behind an `http(s)` address. Blocks: not for the event loop.

    Args:
        address: what somebody named.
        allowed: host names, with `:port` where it is not the scheme's own.
        most: bytes of the body.
        seconds: for all of it, redirects included.
        resolve: looks up a host's addresses.
        public: whether an address may be asked.

    Raises:
        UnreadableError: with the reason, in words that follow "the picture".
    """
    until = time.monotonic() + seconds
    url = urlsplit(address)
    for _ in range(REDIRECTS + 1):
        host = _host(url, allowed)
        try:
            status, place, body = _get(url, until, most, resolve, public)
        except TimeoutError:
            raise UnreadableError(f"at {host} did not come within {seconds:g} s") from None
        except (OSError, http.client.HTTPException, ssl.CertificateError) as error:
            raise UnreadableError(f"at {host} cannot be had: {error or type(error).__name__}") from error
        if body is not None:
            return body
        if place is None:
            raise UnreadableError(f"at {host} cannot be had: it answers {status}")
        following = urlsplit(urljoin(url.geturl(), place))
        if (following.scheme, following.netloc) not in ((url.scheme, url.netloc), ("https", url.netloc)):
            raise UnreadableError(f"at {host} is elsewhere: redirects are followed on the same host only")
        url = following
    raise UnreadableError(f"at {url.hostname} is behind more than {REDIRECTS} redirects")


async def fetched(address: str, allowed: frozenset[str], *, most: int, seconds: float) -> bytes:
    """`fetch` beside the event loop, in threads that nobody else needs; raises UnreadableError as it does.

    Looking a name up knows no end of its own: whoever waits for it is told in time, the thread is left to itself.
    """
    get = partial(fetch, address, allowed, most=most, seconds=seconds)
    try:
        async with asyncio.timeout(seconds + GRACE_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(_threads, get)
    except TimeoutError:
        raise UnreadableError(f"did not come within {seconds:g} s") from None


def _host(url: SplitResult, allowed: frozenset[str]) -> str:
    """The host of an address that may be asked."""
    try:
        host, port = (url.hostname or "").lower(), url.port
    except ValueError:
        raise UnreadableError("is at an address that is none") from None
    if url.scheme not in PORTS or not host or url.username is not None:
        raise UnreadableError("is at an address of another kind: https://host/path is expected")
    name = host if port in (None, PORTS[url.scheme]) else f"{host}:{port}"
    if name not in allowed:
        known = ", ".join(sorted(allowed)) or "none is"
        raise UnreadableError(f"is at {name}, a host that is not allowed ({known}); upload it instead")
    return host


def _get(
    url: SplitResult, until: float, most: int, resolve: Resolve, public: Callable[[str], bool]
) -> tuple[int, str | None, bytes | None]:
    """Status, where a redirect leads, and the body where there is one."""
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    addresses = resolve(host, port)
    inside = [address for address in addresses if not public(address)]
    if inside or not addresses:
        raise UnreadableError(f"is at {host}, whose address is not a public one")
    connection = _Pinned(host, port, addresses[0], url.scheme == "https", until)
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", target, headers={"Accept": "image/*", "User-Agent": "towerbridge"})
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            return answer.status, answer.headers.get("Location"), None
        if answer.status != 200:
            return answer.status, None, None
        kind = answer.headers.get_content_type()
        if not kind.startswith(KINDS) or kind == "image/svg+xml":
            raise UnreadableError(f"at {host} says that it is {kind}, which is no picture that is read")
        body = bytearray()
        while chunk := answer.read1(CHUNK):
            body += chunk
            if len(body) > most:
                raise UnreadableError(f"at {host} has over {most / 2**20:.0f} MiB")
            connection.hurry()
        return answer.status, None, bytes(body)
    finally:
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one address of a host, all of which ends at one moment."""

    def __init__(self, host: str, port: int, address: str, secure: bool, until: float) -> None:
        super().__init__(host, port)
        self._address = address
        self._secure = secure
        self._until = until
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address that was looked at, in the name of the host."""
        self._socket = socket.create_connection((self._address, self.port), self._left())
        self.sock: Any = self._socket
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self._socket, server_hostname=self.host)
            self._socket = self.sock

    def hurry(self) -> None:
        """Give the next read what is left of the time."""
        if self._socket is not None:
            self._socket.settimeout(self._left())

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
