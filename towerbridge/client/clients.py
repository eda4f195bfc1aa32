"""`Client` and `AsyncClient`: send the calls of `towerbridge.client.calls`, wait where the service asks to.

Only how a request travels is written twice. What is sent and how answers and problems are read is shared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast

import httpx

import towerbridge
from towerbridge.client import calls
from towerbridge.client.calls import Call
from towerbridge.client.errors import AnswerError, ElsewhereError, UnreachableError, error_of
from towerbridge.client.reading import read
from towerbridge.client.results import Problem

P = ParamSpec("P")
T = TypeVar("T")
LOCAL = "http://127.0.0.1:8000"
LONGEST_PAUSE = 60.0
"""Seconds. A service that asks for more is not waited for."""


class _Blocking(Generic[P, T]):
    """A method of `Client` that sends what a function of `calls` makes of its arguments."""

    def __init__(self, call: Callable[P, Call[T]]) -> None:
        self._call = call
        self.__doc__ = call.__doc__

    def __get__(self, client: Client, owner: type[Client]) -> Callable[P, T]:
        @wraps(self._call)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return client.send(self._call(*args, **kwargs))

        return method


class _Awaited(Generic[P, T]):
    """A method of `AsyncClient` that sends what a function of `calls` makes of its arguments."""

    def __init__(self, call: Callable[P, Call[T]]) -> None:
        self._call = call
        self.__doc__ = call.__doc__

    def __get__(self, client: AsyncClient, owner: type[AsyncClient]) -> Callable[P, Awaitable[T]]:
        @wraps(self._call)
        def method(*args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
            return client.send(self._call(*args, **kwargs))

        return method


class Client:
    """A blocking client; one may be shared by threads.

        with Client("http://127.0.0.1:8000") as client:
            for item in client.recommendations("17", limit=5).items:
                print(item.item_id, item.score)

    Args:
        url: where the service is.
        admin_key: for the calls that promote models.
        timeout: seconds to wait for a connection, and for an answer.
        retries: how often a call that may be repeated is sent again after a 503 that says when (`Retry-After`).
        transport: httpx's, for tests and proxies.

    Raises (every method):
        UnreachableError, AnswerError: no answer, or none of this service.
        ElsewhereError: a picture that was asked for is on the web.
        NotFoundError, RefusedError, UnavailableError, ProblemError: what the service says is wrong.
    """

    recommendations = _Blocking(calls.recommendations)
    rank = _Blocking(calls.rank)
    from_source = _Blocking(calls.from_source)
    similar = _Blocking(calls.similar)
    search = _Blocking(calls.search)
    search_picture = _Blocking(calls.search_picture)
    record = _Blocking(calls.record)
    interactions = _Blocking(calls.interactions)
    item = _Blocking(calls.item)
    picture = _Blocking(calls.picture)
    put_item = _Blocking(calls.put_item)
    change_item = _Blocking(calls.change_item)
    delete_item = _Blocking(calls.delete_item)
    users = _Blocking(calls.users)
    user = _Blocking(calls.user)
    put_user = _Blocking(calls.put_user)
    forget_user = _Blocking(calls.forget_user)
    dataset = _Blocking(calls.dataset)
    models = _Blocking(calls.models)
    promote = _Blocking(calls.promote)
    rollback = _Blocking(calls.rollback)
    health = _Blocking(calls.health)
    ready = _Blocking(calls.ready)

    def __init__(
        self, url: str = LOCAL, *, admin_key: str | None = None, timeout: float = 10.0, retries: int = 2,
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._retries = retries
        self._http = httpx.Client(
            base_url=url, headers=_headers(admin_key), timeout=timeout, transport=transport
        )

    def send(self, call: Call[T]) -> T:
        """Send a call of `towerbridge.client.calls`, and wait for its answer."""
        for left in reversed(range(self._retries + 1)):
            try:
                answer = self._http.send(_request(self._http, call))
            except httpx.TransportError as exc:
                raise _unreachable(self._http, exc) from exc
            pause = _pause(call, answer)
            if pause is None or not left:
                break
            time.sleep(pause)
        return _read(call, answer)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The same to be awaited, inside one event loop.

        async with AsyncClient("http://127.0.0.1:8000") as client:
            answer = await client.recommendations("17", limit=5)

    Arguments and errors are those of `Client`.
    """

    recommendations = _Awaited(calls.recommendations)
    rank = _Awaited(calls.rank)
    from_source = _Awaited(calls.from_source)
    similar = _Awaited(calls.similar)
    search = _Awaited(calls.search)
    search_picture = _Awaited(calls.search_picture)
    record = _Awaited(calls.record)
    interactions = _Awaited(calls.interactions)
    item = _Awaited(calls.item)
    picture = _Awaited(calls.picture)
    put_item = _Awaited(calls.put_item)
    change_item = _Awaited(calls.change_item)
    delete_item = _Awaited(calls.delete_item)
    users = _Awaited(calls.users)
    user = _Awaited(calls.user)
    put_user = _Awaited(calls.put_user)
    forget_user = _Awaited(calls.forget_user)
    dataset = _Awaited(calls.dataset)
    models = _Awaited(calls.models)
    promote = _Awaited(calls.promote)
    rollback = _Awaited(calls.rollback)
    health = _Awaited(calls.health)
    ready = _Awaited(calls.ready)

    def __init__(
        self, url: str = LOCAL, *, admin_key: str | None = None, timeout: float = 10.0, retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._retries = retries
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(admin_key), timeout=timeout, transport=transport
        )

    async def send(self, call: Call[T]) -> T:
        """Send a call of `towerbridge.client.calls`, and wait for its answer."""
        for left in reversed(range(self._retries + 1)):
            try:
                answer = await self._http.send(_request(self._http, call))
            except httpx.TransportError as exc:
                raise _unreachable(self._http, exc) from exc
            pause = _pause(call, answer)
            if pause is None or not left:
                break
            await asyncio.sleep(pause)
        return _read(call, answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _headers(admin_key: str | None) -> Mapping[str, str]:
    headers = {"accept": "application/json", "user-agent": f"towerbridge-client/{towerbridge.__version__}"}
    return headers if admin_key is None else {**headers, "x-admin-key": admin_key}


def _request(http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    headers = {} if call.body is None else {"content-type": "application/json"}
    return http.build_request(
        call.method, call.path, params=list(call.query), content=call.body, headers=headers
    )


def _pause(call: Call[Any], answer: httpx.Response) -> float | None:
    """Seconds to wait before the call is sent again; None where it is not to be."""
    seconds = _retry_after(answer)
    if answer.status_code != 503 or not call.repeatable or seconds is None or seconds > LONGEST_PAUSE:
        return None
    return seconds


def _retry_after(answer: httpx.Response) -> float | None:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else None


def _read(call: Call[T], answer: httpx.Response) -> T:
    """The answer of a call, or the exception that it is."""
    if answer.has_redirect_location:
        raise ElsewhereError(answer.headers["location"])
    try:
        if answer.is_success:
            return cast(T, answer.content) if call.answer is bytes else read(call.answer, answer.json())
        problem = read(Problem, answer.json(), "the problem")
    except ValueError as exc:  # json's errors are ValueErrors
        where = f"{call.method} {answer.url}"
        raise AnswerError(
            f"expected an answer of Towerbridge from {where}, found {answer.status_code}, in which {exc}; "
            "is another service there, or one of another version?"
        ) from exc
    raise error_of(problem, _retry_after(answer))


def _unreachable(http: httpx.Client | httpx.AsyncClient, error: httpx.TransportError) -> UnreachableError:
    what = str(error) or type(error).__name__
    return UnreachableError(f"expected an answer from {http.base_url}, found {what}; is the service running?")
