"""Arrays that grow: the rows of a mapped file, and room for more after them, as one piece of memory.

What reads such an array needs no second case for rows that came later, and the rows of the file stay what they
were: pages that all processes share, copied one by one only where a row is replaced. The file never changes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOM = 65_536
"""Rows that a column has room for at least before it moves; addresses cost nothing until they are written to."""
_MAP_FIXED, _MAP_NORESERVE = 0x10, 0x4000
"""As Linux numbers them; the standard library does not name them all."""


class Column:
    """`[n, …]` values, one row per item, to which rows are added and in which rows are replaced.

    `rows` is a view that sees replaced rows and never grows: whoever took it earlier keeps its length. Not to be
    written to by two threads at once.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        """Begin with the rows of an array, a map of a file or not; it is not changed."""
        self._count = len(array)
        self._room = _mapped(array, self._count + max(self._count, ROOM))
        self.rows: NDArray[Any] = self._room[: self._count]

    def put(self, row: int, value: Any) -> None:
        """Replace a row, or add the next one."""
        if row == self._count:
            if row == len(self._room):
                room = np.zeros((2 * row, *self._room.shape[1:]), self._room.dtype)
                room[:row] = self._room
                self._room = room
            self._count += 1
            self._room[row] = value
            self.rows = self._room[: self._count]
        else:
            assert 0 <= row < self._count, f"row {row} of a column of {self._count} rows"
            self.rows[row] = value


def _mapped(array: NDArray[Any], capacity: int) -> NDArray[Any]:
    """The rows of an array and room up to a capacity, writable and private to this process."""
    shape = (capacity, *array.shape[1:])
    source = _file_of(array)
    if source is None or sys.platform != "linux":
        copied = np.zeros(shape, array.dtype)
        copied[: len(array)] = array
        return copied
    path, offset = source
    count = int(np.prod(shape))
    size = offset + count * array.itemsize
    address = _map(None, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE, -1)
    memory: Any = (ctypes.c_char * size).from_address(address)
    weakref.finalize(memory, _libc().munmap, ctypes.c_void_p(address), ctypes.c_size_t(size))
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Over the first of those pages; what lies behind the end of the file stays anonymous.
        _map(address, offset + array.nbytes, mmap.MAP_PRIVATE | _MAP_FIXED, file)
    finally:
        os.close(file)
    mapped: NDArray[Any] = np.frombuffer(memory, array.dtype, count, offset).reshape(shape)
    return mapped


def _file_of(array: NDArray[Any]) -> tuple[str, int] | None:
    """Path, and offset of the first row, of a whole contiguous array that is a map of a file."""
    for base in _bases(array):
        if isinstance(base, np.memmap) and base.nbytes == array.nbytes and array.flags.c_contiguous:
            return (str(base.filename), int(base.offset)) if base.filename and array.nbytes else None
    return None


def _bases(array: Any) -> Iterator[Any]:
    while isinstance(array, np.ndarray):
        yield array
        array = array.base


def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
    ]  # fmt: skip
    return libc


def _map(address: int | None, size: int, flags: int, file: int) -> int:
    found: int | None = _libc().mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, 0)
    if found is None or found == ctypes.c_void_p(-1).value:
        code = ctypes.get_errno()
        raise MemoryError(f"expected to map {size} bytes, found {os.strerror(code)}")
    return found
