"""Bodies are bounded one by one and all together, and one that breaks off is nobody's failure but the sender's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from serving.http.limits import LimitBody


class Counter:
    """An app that reads bodies, and waits with each until it is let go."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.full = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            size = 0
            while (message := await receive()).get("more_body"):
                size += len(message["body"])
            self.read.append(size + len(message["body"]))
            await self.go.wait()
        except HTTPException as error:
            self.full += error.status_code == 503


def sends(*parts: int) -> Receive:
    left = list(parts)

    async def receive() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(left.pop(0)), "more_body": bool(left)}

    return receive


async def unheard(message: Message) -> None:
    pass


def test_all_bodies_together_are_bounded_and_one_alone_is_not() -> None:
    async def story() -> None:
        counter = Counter()
        limit = LimitBody(counter, 100, ("/pictures",), 1000, max_held_bytes=150)
        scope = {"type": "http", "method": "POST", "path": "/pictures", "headers": []}

        def ask(*parts: int) -> asyncio.Task[None]:
            return asyncio.create_task(limit(scope, sends(*parts), unheard))

        async def until(done: Any) -> None:
            while not done():
                await asyncio.sleep(0)

        large = ask(500, 400)
        await until(lambda: counter.read == [900])
        second = ask(1)
        await until(lambda: counter.full == 1)
        counter.go.set()
        await asyncio.gather(large, second)
        # What those held is free again.
        await asyncio.gather(ask(75), ask(70))
        assert (counter.read, counter.full) == ([900, 75, 70], 1)
        counter.go.clear()
        first = ask(75)
        await until(lambda: len(counter.read) == 4)
        refused = ask(40, 40)
        await until(lambda: counter.full == 2)
        fits = ask(75)
        await until(lambda: len(counter.read) == 5)
        counter.go.set()
        await asyncio.gather(first, refused, fits)

    asyncio.run(asyncio.wait_for(story(), 60))


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/interactions"), ("POST", "/recommend"), ("POST", "/v1/items"), ("POST", "/v1/rank")],
)
def test_a_body_that_breaks_off_is_counted_as_the_clients(
    client: TestClient, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    heard: list[Message] = []

    async def ask() -> None:
        parts: list[Message] = [
            {"type": "http.request", "body": b'{"user', "more_body": True}, {"type": "http.disconnect"}
        ]  # fmt: skip

        async def receive() -> Message:
            return parts.pop(0)

        async def send(message: Message) -> None:
            heard.append(message)

        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": b"", "root_path": "", "scheme": "http", "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1), "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip
        await client.app(scope, receive, send)

    assert client.portal is not None
    client.portal.call(ask)
    assert heard[0]["status"] == 400
    assert f'method="{method}",route="{path}",status="4xx"}} 1.0' in client.get("/metrics").text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
