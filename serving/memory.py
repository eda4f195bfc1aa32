"""What a model leaves behind in the allocator."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return freed memory to the system where the C library can; glibc keeps what threads freed for later.

    Without it a worker grows with every swap although each old model is freed: docs/LOG.md has the figures.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
