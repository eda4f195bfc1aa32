"""Pictures by address: only from allowed hosts, never from inside, within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from embeddings.content import UnreadableError
from serving.live import fetch as fetching
from serving.live.fetch import fetch, is_public, resolve
from tests.bundle import senses
from tests.patience import PATIENCE
from tests.serving.sensing import Shop

PICTURE = senses.picture((1, 2, 3))


class Handler(BaseHTTPRequestHandler):
    """Answers by path, and remembers what it was asked."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.headers["Host"], self.path))
        kinds = {"/a.svg": "image/svg+xml", "/page": "text/html", "/octets": "application/octet-stream"}
        path = self.path.partition("?")[0]
        if path.startswith("/to"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.end_headers()
        elif path == "/missing":
            self.send_error(404)
        elif path == "/slow":
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            for _ in range(1200):  # a minute, if nobody hangs up
                self.wfile.write(b"x")
                time.sleep(0.05)
        elif path == "/endless":
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            for _ in range(2000):
                self.wfile.write(bytes(10_000))
        elif path == "/broken":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
        else:
            self.send_response(200)
            self.send_header("Content-Type", kinds.get(path, "image/png"))
            self.send_header("Content-Length", str(len(PICTURE)))
            self.end_headers()
            self.wfile.write(PICTURE)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients hang up on purpose."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Quiet(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def get(port: int, path: str, host: str = "shop.example", **more: Any) -> bytes:
    """Fetch from our own server under another name: the look-up says where it is, and that it is public."""
    bounds = {
        "most": 100_000,
        "seconds": PATIENCE,
        "resolve": lambda *_: ["127.0.0.1"],
        "public": lambda _: True,
    }
    return fetch(f"http://{host}:{port}{path}", frozenset({f"shop.example:{port}"}), **(bounds | more))


def test_a_picture_of_an_allowed_host(port: int) -> None:
    Handler.asked.clear()
    assert get(port, "/a.png?size=2") == PICTURE
    assert get(port, "/octets") == PICTURE
    assert get(port, "/to?/a.png") == PICTURE, "redirects on the same host are followed"
    assert get(port, "/to?/to?/a.png") == PICTURE
    assert {host for host, _ in Handler.asked} == {f"shop.example:{port}"}, "asked in the name of the host"
    assert get(port, "", host="SHOP.example") == PICTURE


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "answers 404"), ("/page", "text/html, which is no picture"), ("/a.svg", "svg"),
        ("/endless", "over 0 MiB"), ("/broken", "cannot be had"), ("/to?/to?/to?/to?/a.png", "more than 3 redirects"),
        ("/to?http://127.0.0.1/x", "redirects are followed on the same host only"),
        ("/to?http://shop.example/x", "same host only"), ("/to?//other.example/x", "same host only"),
        ("/to?file:///etc/passwd", "same host only"), ("/to?", "more than 3 redirects"),
    ],
)  # fmt: skip
def test_what_an_allowed_host_may_not_answer(port: int, path: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        get(port, path)


def test_time_is_bounded_for_all_of_it(port: int) -> None:
    began = time.monotonic()
    with pytest.raises(UnreadableError, match=r"did not come within 0\.5 s"):
        get(port, "/slow", seconds=0.5)
    assert time.monotonic() - began < 20, "and not when the host has said all"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://other.example/a.png", "a host that is not allowed"), ("http://shop.example:81/", "not allowed"),
        ("http://shop.example.evil.example/", "not allowed"), ("http://shop.example@evil.example/", "another kind"),
        ("http://user:pw@shop.example/", "another kind"), ("ftp://shop.example/", "another kind"),
        ("http:///a.png", "another kind"), ("http://shop.example:x/", "none"), ("http://127.0.0.1/", "not allowed"),
        ("http://[::1]/", "not allowed"), ("https:shop.example", "another kind"),
    ],
)  # fmt: skip
def test_addresses_that_are_not_asked(address: str, reason: str) -> None:
    def never(*_: object) -> list[str]:
        raise AssertionError("nobody looks it up")

    with pytest.raises(UnreadableError, match=reason):
        fetch(address, frozenset({"shop.example"}), most=100, seconds=1, resolve=never)


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.1.1.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
        "2002:7f00:1::", "2001:0:1::",
    ],
)  # fmt: skip
def test_addresses_inside_are_never_asked(inside: str) -> None:
    assert not is_public(inside)
    for found in ([inside], ["93.184.215.14", inside]):
        with pytest.raises(UnreadableError, match="not a public one"):
            fetch(
                "http://shop.example/",
                frozenset({"shop.example"}),
                most=100,
                seconds=1,
                resolve=lambda *_, f=found: f,
            )


@pytest.mark.parametrize("outside", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are(outside: str) -> None:
    assert is_public(outside)


def test_the_address_that_was_looked_at_is_the_one_that_is_asked(port: int) -> None:
    """A host that resolves to something else the second time: nobody asks a second time."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    seen: list[str] = []

    def public(address: str) -> bool:
        seen.append(address)
        return True

    assert get(port, "/a.png", resolve=lambda *_: next(answers), public=public) == PICTURE
    assert seen == ["127.0.0.1"]


def test_hosts_without_an_address() -> None:
    with pytest.raises(UnreadableError, match="has no address"):
        resolve("no-such-host.invalid", 80)


def test_over_http_only_hosts_of_the_list(
    sensing_bundle: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://shop.example:{port}/a.png"
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("127.0.0.1", port))])
    with Shop(sensing_bundle).worker(image_hosts=f" shop.example:{port}, cdn.example") as client:
        inside = client.post("/v1/items", json={"item_id": "x", "image": address})
        assert inside.status_code == 422
        assert "not a public one" in inside.json()["errors"][0]["message"]
        other = client.post("/v1/items", json={"item_id": "x", "image": "https://evil.example/a.png"})
        assert "a host that is not allowed" in other.json()["errors"][0]["message"]
