"""Waiting for what happens beside a test: in another thread, process or turn of the loop.

What is awaited is there within milliseconds on a machine at rest, and within minutes on any; who asserts it at
once, or within a second, tests the machine. Ports are asked for here too: nobody else may take them meanwhile; and
children are told here to heed what ends them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import time
from collections.abc import Callable

PATIENCE = 180.0
"""Seconds after which what did not happen will not: two workers were seen to need 60 to start at a load of 25."""
PATIENT_SERVER = {
    "TOWERBRIDGE_SERVE_READ_SECONDS": str(PATIENCE), "TOWERBRIDGE_SERVE_WRITE_SECONDS": str(PATIENCE)
}  # fmt: skip
"""The environment of a service that waits for its database, where a test is about the answer and not the waiting."""
_ports = itertools.count(20_000 + os.getpid() % 600 * 20)


def eventually(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something is true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"it did not become true in {seconds:g} s"
        time.sleep(0.005)


async def eventually_here(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """The same in an event loop, which goes on meanwhile."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"it did not become true in {seconds:g} s"
        await asyncio.sleep(0.001)


def free_port() -> int:
    """A port of loopback that nobody listens on, nor will before whom it is for.

    Not one of those that the kernel gives to whoever connects or asks for any (32768 and above), and none that this
    process or one with another number beside it was told before.
    """
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there are more ports than anybody asks for")


def heed_interrupts() -> None:
    """For a child before it begins: what runs in the background of a shell ignores SIGINT, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
