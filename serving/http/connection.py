"""HTTP connections that send the head and the body of an answer together, and wait for nobody for ever.

uvicorn hands them to the transport one after the other, and uvloop sends each at once: two system calls and two
wake-ups of whoever reads, for answers that fit into one packet. Here what is written in one turn of the event loop
leaves with it.

uvicorn also waits without end for a request that never becomes whole, takes a head of any length, and keeps an
answer for whoever does not read it. A few thousand such connections, which cost nothing to open, would hold all the
memory and all the descriptors of a worker; here each ends after its time.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_SECONDS = 30.0
"""From a connection, or the first byte of a request, to the end of its head."""
BODY_SECONDS = 120.0
"""From there to the end of its body: 12 MB are on their way for so long at 0.8 Mbit/s."""
READ_SECONDS = 120.0
"""Until somebody has read so much of an answer that the rest can be sent on."""
HEAD_BYTES = 65_536
"""Of a request's line and headers, less what came in one piece with their end."""
SAYS = {
    408: f"expected a head within {HEAD_SECONDS:.0f} s and the body {BODY_SECONDS:.0f} s later, found a part of it",
    431: f"expected a head of at most {HEAD_BYTES} bytes, found more; a body may be longer",
}  # fmt: skip


class GatheringTransport:
    """A transport that keeps what is written until the loop turns; all else is the wrapped one's."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._kept: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send some bytes soon, in order."""
        if not self._kept:
            self._loop.call_soon(self._send)
        self._kept.append(data)

    def close(self) -> None:
        """Close once all is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        kept, self._kept = self._kept, []
        if kept and not self._transport.is_closing():
            self._transport.write(b"".join(kept))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's protocol over such a transport, with an end to all waiting."""

    _patience: float | None = None
    """How long what is being received may take; None while a request is whole."""
    _in_head = False
    _head = 0
    """Bytes of a head that is not whole."""
    _receiving: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a new connection."""
        super().connection_made(cast(asyncio.Transport, GatheringTransport(transport)))
        self._expect(HEAD_SECONDS)
        self._receiving = self.loop.call_later(HEAD_SECONDS, self._end, 408)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._expect(None)
        self._read()

    def data_received(self, data: bytes) -> None:
        """Read on; what is whole in one piece, as nearly all requests are, needs no clock."""
        super().data_received(data)
        if self._patience is None or self.transport.is_closing():
            return
        if self._receiving is None:
            self._receiving = self.loop.call_later(self._patience, self._end, 408)
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._end(431)

    def on_message_begin(self) -> None:
        """A request begins: its head is to come."""
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self._expect(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """Its body is to come."""
        super().on_headers_complete()
        self._in_head = False
        self._expect(BODY_SECONDS)

    def on_message_complete(self) -> None:
        """All is there."""
        super().on_message_complete()
        self._expect(None)

    def pause_writing(self) -> None:
        """The other side does not read as fast as it is answered."""
        super().pause_writing()
        if self._sending is None:
            self._sending = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It did."""
        super().resume_writing()
        self._read()

    def _expect(self, seconds: float | None) -> None:
        """Something else is being received from now on."""
        self._patience = seconds
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _read(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _end(self, status: int) -> None:
        """Close, with the reason, where nothing else is being said."""
        self._expect(None)
        cycle = self.cycle
        if self._in_head:
            silent = cycle is None or cycle.response_complete
        else:
            silent = cycle is not None and not cycle.response_started
        if silent:
            body = orjson.dumps({
                "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": SAYS[status]
            })  # fmt: skip
            head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Offers of another protocol, as some clients make with every request, are nothing to warn of."""
