"""Around every request: which model it may hold, so that none is closed under it."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.service import Service


class Traffic:
    """ASGI middleware: counts the requests of each model."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app whose state has a `service` once it has started."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counted for the model that answers when it begins, which is the oldest it can hold."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        online = service.online
        if online is None:
            await self._app(scope, receive, send)
            return
        online.requests += 1
        try:
            await self._app(scope, receive, send)
        finally:
            online.requests -= 1
