"""Answers leave whole, in order, and to the end, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from serving.http.connection import WholeAnswers

LARGE = "x" * 3_000_000


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["word"])


async def large(request: Request) -> PlainTextResponse:
    return PlainTextResponse(LARGE)


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for part in ("one", "two", "three"):
            yield part
            await asyncio.sleep(0)

    return StreamingResponse(parts())


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    app = Starlette(routes=[Route("/echo/{word}", echo), Route("/large", large), Route("/stream", stream)])
    config = uvicorn.Config(app, http=WholeAnswers, log_level="warning", lifespan="off")
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

    asyncio.run(asyncio.wait_for(story(), 10))


def test_answers_keep_their_order_when_requests_are_sent_ahead() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            writer.write(b"".join(request(path) for path in ("/echo/a", "/large", "/echo/b", "/echo/c")))
            assert [await answer(reader) for _ in range(4)] == ["a", LARGE, "b", "c"]

    asyncio.run(asyncio.wait_for(story(), 10))


def test_a_closed_connection_was_answered_to_the_end() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            writer.write(request("/large", "Connection: close"))
            assert (await reader.read()).endswith(LARGE.encode())

    asyncio.run(asyncio.wait_for(story(), 10))


def test_a_stream_arrives_whole() -> None:
    async def story() -> None:
        async with connected() as (reader, writer):
            writer.write(request("/stream", "Connection: close"))
            body = (await reader.read()).split(b"\r\n\r\n", 1)[1]
            assert body == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"

    asyncio.run(asyncio.wait_for(story(), 10))
