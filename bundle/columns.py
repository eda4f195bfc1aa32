"""Columns of strings and of JSON as two flat files each: the bytes end to end, and int64 offsets `[n + 1]`.

Opening maps the file instead of reading it, and entry i is a slice: a million metadata objects cost no Python
objects until they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from catalog.errors import BundleError
from catalog.records import Ints


def write_bytes_column(folder: Path, name: str, values: Iterable[bytes]) -> None:
    """Write `<name>.bin` and `<name>.offsets.npy` into a folder."""
    values = list(values)
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    (folder / f"{name}.bin").write_bytes(b"".join(values))
    np.save(folder / f"{name}.offsets.npy", offsets, allow_pickle=False)


class BytesColumn:
    """`n` byte strings behind one memory map."""

    def __init__(self, data: NDArray[np.uint8], offsets: Ints) -> None:
        self._data: Final = memoryview(data.data)
        self._offsets: Final = offsets

    @classmethod
    def open(cls, folder: Path, name: str) -> BytesColumn:
        """Map the two files of a column; BundleError where they do not fit together."""
        offsets = load_array(folder / f"{name}.offsets.npy", np.int64, (None,))
        path = folder / f"{name}.bin"
        size = path.stat().st_size
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != size or (np.diff(offsets) < 0).any():
            raise BundleError(
                f"expected rising offsets from 0 to {size} beside {path}, found others; "
                "build the bundle again"
            )
        # An empty file cannot be mapped.
        data = np.memmap(path, np.uint8, "r").view(np.ndarray) if size else np.zeros(0, np.uint8)
        return cls(data, offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> bytes:
        return bytes(self._data[self._offsets[row] : self._offsets[row + 1]])

    def strings(self, path: Path) -> list[str]:
        """All entries as text; BundleError where one is not UTF-8."""
        whole, at = bytes(self._data), self._offsets.tolist()
        try:
            return [whole[begin:end].decode() for begin, end in pairwise(at)]
        except UnicodeDecodeError as exc:
            raise BundleError(f"expected UTF-8 ids in {path}, found {exc}; build the bundle again") from exc


def load_array(path: Path, dtype: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map an array read-only and hold it to a dtype and a shape (None: any length).

    Raises:
        BundleError: missing, truncated, pickled, or not of that dtype and shape.
    """
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise BundleError(
            f"expected a plain array in {path}, found {type(exc).__name__}: {exc}; build the bundle again"
        ) from exc
    # A plain view of the same pages: np.memmap's own __getitem__ is several times slower than ndarray's.
    array: NDArray[Any] = np.asarray(mapped).view(np.ndarray)
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(dtype) or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise BundleError(
            f"expected {np.dtype(dtype)} [{wanted}] in {path}, found {array.dtype} {list(array.shape)}; "
            "the bundle mixes versions: build it again"
        )
    return array
