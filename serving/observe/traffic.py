"""Around every request: which model it may hold, so that none is closed under it, and how it went."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.observe.counts import OTHER
from serving.service import Service


class Traffic:
    """ASGI middleware: counts the requests of each model, and of each route."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app whose state has a `service` once it has started."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counted for the model that answers when it begins, which is the oldest it can hold."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        service: Service = scope["app"].state.service
        online = service.online
        status, degraded = 500, b""

        async def told(message: Message) -> None:
            nonlocal status, degraded
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message["headers"]:
                    if name == b"x-degraded":
                        degraded = value
            await send(message)

        if online is not None:
            online.requests += 1
        try:
            await self._app(scope, receive, told)
        finally:
            if online is not None:
                online.requests -= 1
            route = scope.get("route")
            key = OTHER if route is None else (scope["method"], route.path_format)
            service.counts.request(key, status, time.perf_counter() - began)
            if degraded:
                service.counts.degraded(degraded.decode())
