"""Pictures for the tests, made on the spot: whole ones of every mode, and broken ones of every kind."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def gradient(width: int = 320, height: int = 240) -> Image.Image:
    """Red grows to the right, green downwards, blue is a chessboard of 40-pixel squares."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    blue = ((x // 40 + y // 40) % 2) * 255
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, blue], axis=2).astype(np.uint8))


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares its size and then holds a few bytes of nothing: a decompression bomb's front."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
