"""Answers leave whole, in order, and to the end, over real sockets; and nobody is waited for in vain."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from serving.http import connection
from serving.http.connection import WholeAnswers
from tests.patience import PATIENCE

LARGE = "x" * 3_000_000


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["word"])


async def large(request: Request) -> PlainTextResponse:
    return PlainTextResponse(LARGE)


async def count(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def refuse(request: Request) -> PlainTextResponse:
    return PlainTextResponse("no", 413)


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for part in ("one", "two", "three"):
            yield part
            await asyncio.sleep(0)

    return StreamingResponse(parts())


@asynccontextmanager
async def connected(
    protocol: type[WholeAnswers] = WholeAnswers,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    app = Starlette(
        routes=[
            Route("/echo/{word}", echo), Route("/large", large), Route("/stream", stream),
            Route("/count", count, methods=["POST"]), Route("/refuse", refuse, methods=["POST"]),
        ],
        exception_handlers={ClientDisconnect: refuse},  # type: ignore[dict-item]
    )  # fmt: skip
    config = uvicorn.Config(app, http=protocol, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        serving = asyncio.create_task(server.serve([listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=2**24)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            server.should_exit = True
            await serving


def request(path: str, *more: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *more, "", ""]).encode()


async def answer(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return (await reader.readexactly(int(length.split(b":")[1]))).decode()


def test_head_and_body_come_in_one_packet() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            for word in ("a", "b"):
                writer.write(request(f"/echo/{word}"))
                packet = await reader.read(65536)
                assert packet.startswith(b"HTTP/1.1 200")
                assert packet.endswith(b"\r\n\r\n" + word.encode())

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


def test_answers_keep_their_order_when_requests_are_sent_ahead() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            writer.write(b"".join(request(path) for path in ("/echo/a", "/large", "/echo/b", "/echo/c")))
            assert [await answer(reader) for _ in range(4)] == ["a", LARGE, "b", "c"]

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


def test_a_closed_connection_was_answered_to_the_end() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            writer.write(request("/large", "Connection: close"))
            assert (await reader.read()).endswith(LARGE.encode())

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


def test_a_stream_arrives_whole() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            writer.write(request("/stream", "Connection: close"))
            body = (await reader.read()).split(b"\r\n\r\n", 1)[1]
            assert body == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


SLOW = 2.0
"""Seconds, where a test does not want to wait for longer; what comes at once comes in less."""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(connection, name, SLOW)


async def closed(sent: bytes, answered: int = 0) -> bytes:
    """What comes until the server closes, after something was sent and so many answers were read."""
    async with connected() as (reader, writer):
        writer.write(sent)
        for _ in range(answered):
            await answer(reader)
        return await reader.read()


@pytest.mark.usefixtures("hasty")
def test_a_request_that_never_becomes_whole_ends_in_time() -> None:
    posted = b"POST /count HTTP/1.1\r\nHost: x\r\n"

    async def story() -> list[bytes]:
        return list(await asyncio.gather(
            closed(b"G"), closed(request("/echo/a")[:-2]), closed(request("/echo/a") + b"GET /ec", 1),
            closed(posted + b"Content-Length: 5\r\n\r\nabc"),
            closed(posted + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        ))  # fmt: skip

    for said in asyncio.run(asyncio.wait_for(story(), PATIENCE)):
        assert said.startswith(b"HTTP/1.1 408 ")
        head, body = said.split(b"\r\n\r\n", 1)
        assert b"connection: close" in head
        assert orjson.loads(body)["title"] == "Request Timeout"


@pytest.mark.usefixtures("hasty")
def test_where_nothing_was_asked_or_all_was_said_it_is_closed_without_a_word() -> None:
    refused = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"

    async def story() -> list[bytes]:
        return list(await asyncio.gather(closed(b""), closed(refused, 1)))

    assert asyncio.run(asyncio.wait_for(story(), PATIENCE)) == [b"", b""]


@pytest.mark.usefixtures("hasty")
def test_bytes_that_drip_prolong_nothing() -> None:
    async def story() -> bytes:
        async with connected() as (reader, writer):
            said = asyncio.create_task(reader.read())
            writer.write(b"GET / HTTP/1.1\r\n")
            while not said.done():
                writer.write(b"X-Drip: 1\r\n")
                await asyncio.sleep(0.01)
            return said.result()

    # It ends in spite of the drops; one that is on its way when the server closes may cost the answer.
    with suppress(ConnectionError):
        assert asyncio.run(asyncio.wait_for(story(), PATIENCE))[:13] in (b"", b"HTTP/1.1 408 ")


@pytest.mark.usefixtures("hasty")
def test_an_answer_that_nobody_reads_is_given_up() -> None:
    async def story() -> None:
        given_up = asyncio.Event()

        class Watched(WholeAnswers):
            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                given_up.set()

        async with connected(Watched) as (_, writer):
            transport = writer.transport
            assert isinstance(transport, asyncio.ReadTransport)
            transport.pause_reading()
            for _ in range(8):  # more than the buffers between the two hold
                writer.write(request("/large"))
            await given_up.wait()
            transport.resume_reading()

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


@pytest.mark.parametrize("long", [b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000])
def test_a_head_without_an_end_is_refused(long: bytes) -> None:
    async def story() -> bytes:
        async with connected() as (reader, writer):
            said = asyncio.create_task(reader.read())
            while not said.done():
                writer.write(long)
                await asyncio.sleep(0.01)
            return said.result()

    # What comes after it is still on its way when the server closes, which may cost the answer.
    with suppress(ConnectionError):
        assert asyncio.run(asyncio.wait_for(story(), PATIENCE))[:13] in (b"", b"HTTP/1.1 431 ")


def test_a_head_of_one_byte_after_the_other_and_a_large_one_in_one_piece_are_fine() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            for byte in request("/echo/slowly"):
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert await answer(reader) == "slowly"
            writer.write(request("/echo/b", "X-Large: " + "x" * 40_000))
            assert await answer(reader) == "b"
            for _ in range(3):
                writer.write(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
                await asyncio.sleep(0.01)
                writer.write(b"bc")
                assert await answer(reader) == "3"

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


def test_an_offer_of_another_protocol_is_answered_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            writer.write(request("/echo/a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"))
            assert await answer(reader) == "a"

    asyncio.run(asyncio.wait_for(story(), PATIENCE))
    assert not caplog.records
