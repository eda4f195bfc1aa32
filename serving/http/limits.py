"""Bounds on request bodies, on each and on all at once, before more than that is read into memory."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import problem


class LimitBody:
    """ASGI middleware: 413 where a body is larger than allowed, declared or not; 503 where there are too many."""

    def __init__(
        self, app: ASGIApp, max_bytes: int, uploads: tuple[str, ...], max_upload_bytes: int, max_held_bytes: int
    ) -> None:  # fmt: skip
        """Wrap an app.

        Args:
            app: what to wrap.
            max_bytes: of a body.
            uploads: beginnings of the paths that take pictures.
            max_upload_bytes: of a body there.
            max_held_bytes: of all bodies whose requests have not ended; one alone is never too much.
        """
        self._app = app
        self._max_bytes = max_bytes
        self._uploads = uploads
        self._max_upload_bytes = max_upload_bytes
        self._max_held_bytes = max_held_bytes
        self._held = 0

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
            size = len(message.get("body", b""))
            read += size
            self._held += size
            # Whoever reads the body lets these through to the app's handler of HTTP errors.
            if read > most:
                raise HTTPException(413, _expected(most, read))
            if read < self._held > self._max_held_bytes:
                raise HTTPException(
                    503, f"expected bodies of at most {self._max_held_bytes} bytes at the same time, found "
                    f"{self._held}; try again in a moment",
                )  # fmt: skip
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= read


def _expected(most: int, size: int) -> str:
    return f"expected a body of at most {most} bytes, found {size}; send it in parts"
