"""Text files as they lie on disk: plain or gzipped, in some encoding, damaged or not."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from catalog.errors import DataError


@contextmanager
def opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, unzipped by its name's end; DataError, which calls it `name`, where it breaks off."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
            yield handle  # type: ignore[misc]
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise DataError(f"{name}: {path} is damaged or cannot be read: {error}") from error


@contextmanager
def opened_text(path: Path, name: str, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """Its text, line ends untouched; bytes that are none come as lone surrogates."""
    # The byte order mark that some programs write is no part of the first column's name.
    marked = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    with (
        opened(path, name) as raw,
        io.TextIOWrapper(raw, marked, errors="surrogateescape", newline="") as text,
    ):
        yield text


def count_lines(path: Path, name: str) -> int:
    """Number of lines; reads the whole file, so a damaged archive is found here."""
    lines, last = 0, b"\n"
    with opened(path, name) as handle:
        while block := handle.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")
