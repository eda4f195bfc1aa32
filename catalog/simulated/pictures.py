"""Pictures of the simulated items, drawn by numpy for a batch at a time and written as PNG.

Shape, colour and pattern are what the item's attributes say; size, angle, place and background vary. The
background belongs to the material. Two samples a pixel in each direction, so edges are smooth.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.simulated.world import COLOURS, MATERIALS, PATTERNS, SHAPES, Goods, Ints, Size, stream

SIDE = 64
SAMPLES = 2
Pixels = NDArray[np.uint8]
Field = NDArray[np.float32]

INKS = np.array(
    [
        (214, 40, 40), (244, 122, 32), (246, 200, 40), (52, 158, 72), (22, 150, 150),
        (40, 90, 200), (124, 60, 170), (236, 110, 170), (124, 80, 44), (36, 36, 40),
    ],
    np.float32,
)  # fmt: skip
PAPERS = np.array(
    [
        (226, 206, 170), (238, 234, 224), (196, 204, 212), (222, 190, 172),
        (222, 240, 244), (240, 226, 232), (208, 184, 160), (232, 218, 196),
    ],
    np.float32,
)  # fmt: skip
assert (len(INKS), len(PAPERS)) == (len(COLOURS), len(MATERIALS))


def draw(size: Size, goods: Goods, rows: Ints) -> Pixels:
    """Pictures `[n, SIDE, SIDE, 3]` of the items."""
    jitter = np.stack([stream(size.seed, f"picture{row}").random(6, dtype=np.float32) for row in rows])
    x, y = _coordinates(jitter)
    inside = _shapes(x, y, goods.shape[rows])
    ink = _patterns(x, y, goods.pattern[rows], jitter[:, 5, None, None])
    colour = INKS[goods.colour[rows]][:, None, None, :]
    pale = colour + (255 - colour) * 0.62
    body = pale + (colour - pale) * ink[..., None]
    paper = PAPERS[goods.material[rows]][:, None, None, :]
    fine = np.where(inside[..., None], body, paper)
    n = len(rows)
    coarse = fine.reshape(n, SIDE, SAMPLES, SIDE, SAMPLES, 3).mean(axis=(2, 4))
    return np.asarray(np.rint(coarse), np.uint8)


def _coordinates(jitter: Field) -> tuple[Field, Field]:
    """The picture's plane in each item's own frame: the item fills about -1 … 1."""
    line = ((np.arange(SIDE * SAMPLES, dtype=np.float32) + 0.5) / (SIDE * SAMPLES / 2) - 1).astype(np.float32)
    radius = (0.62 + 0.2 * jitter[:, 0])[:, None, None]
    angle = ((jitter[:, 1] - 0.5) * 0.6)[:, None, None]
    across = (line[None, None, :] - (jitter[:, 2, None, None] - 0.5) * 0.2) / radius
    down = (line[None, :, None] - (jitter[:, 3, None, None] - 0.5) * 0.2) / radius
    return across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)


def _shapes(x: Field, y: Field, shape: Ints) -> NDArray[np.bool_]:
    """Which points belong to the item."""
    inside = np.zeros(x.shape, bool)
    for number, name in enumerate(SHAPES):
        where = np.flatnonzero(shape == number)
        if len(where):
            inside[where] = _inside(name, x[where], y[where])
    return inside


def _inside(name: str, x: Field, y: Field) -> NDArray[np.bool_]:
    far, wide, high = np.hypot(x, y), np.abs(x), np.abs(y)
    if name == "round":
        found: NDArray[Any] = far < 1
    elif name == "square":
        found = np.maximum(wide, high) < 0.85
    elif name == "diamond":
        found = wide + high < 1.1
    elif name == "triangular":
        found = (y < 0.75) & (y > 2 * wide - 1.05)
    elif name == "ring":
        found = (far < 1) & (far > 0.5)
    elif name == "star":
        found = far < 0.62 + 0.38 * np.cos(5 * np.arctan2(x, -y))
    elif name == "oval":
        found = np.hypot(x, y * 1.7) < 1.05
    else:
        assert name == "cross", name
        found = (np.minimum(wide, high) < 0.34) & (np.maximum(wide, high) < 1)
    return found


def _patterns(x: Field, y: Field, pattern: Ints, phase: Field) -> Field:
    """How much ink lies on each point, 0 … 1."""
    ink = np.ones(x.shape, np.float32)
    for number, name in enumerate(PATTERNS):
        where = np.flatnonzero(pattern == number)
        if len(where):
            ink[where] = _ink(name, x[where], y[where], phase[where])
    return ink


def _ink(name: str, x: Field, y: Field, phase: Field) -> Field:
    if name == "plain":
        return np.ones_like(x)
    if name == "striped":
        found: NDArray[Any] = np.sin(10 * x + 6 * phase) > 0
    elif name == "dotted":
        found = np.sin(9 * x + 6 * phase) * np.sin(9 * y) < 0.45
    elif name == "checked":
        found = (np.sin(8 * x + 6 * phase) > 0) ^ (np.sin(8 * y) > 0)
    elif name == "wavy":
        found = np.sin(11 * y + 2.2 * np.sin(5 * x + 6 * phase)) > 0
    else:
        assert name == "faded", name
        found = np.clip((y + 1) / 2, 0, 1)
    return found.astype(np.float32, copy=False)


def png(pixels: Pixels) -> bytes:
    """One picture `[height, width, 3]` as a PNG file."""
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + width * 3), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, width * 3)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
