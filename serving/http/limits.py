"""A bound on request bodies, before anything is read into memory."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import problem


class LimitBody:
    """ASGI middleware: answers 413 where a body is larger than allowed, declared or not."""

    def __init__(self, app: ASGIApp, max_bytes: int, uploads: tuple[str, ...], max_upload_bytes: int) -> None:
        """Wrap an app.

        Args:
            app: what to wrap.
            max_bytes: of a body.
            uploads: beginnings of the paths that take pictures.
            max_upload_bytes: of a body there.
        """
        self._app = app
        self._max_bytes = max_bytes
        self._uploads = uploads
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting the bytes of its body."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        most = self._max_upload_bytes if scope["path"].startswith(self._uploads) else self._max_bytes
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > most:
            await problem(Request(scope), 413, _expected(most, int(declared)))(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                # Whoever reads the body lets this one through to the app's handler of HTTP errors.
                raise HTTPException(413, _expected(most, read))
            return message

        await self._app(scope, counted, send)


def _expected(most: int, size: int) -> str:
    return f"expected a body of at most {most} bytes, found {size}; send it in parts"
