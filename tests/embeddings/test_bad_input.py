"""What strangers upload: every odd picture and text has a defined answer, quickly and in bounded memory."""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from tests.embeddings.by_hand import write_image_encoder, write_text_encoder
from tests.embeddings.pictures import encoded, gradient, png_header

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'


def animated(frames: int = 50) -> bytes:
    """A GIF that begins red and goes on in blue."""
    first, *more = (
        Image.new("RGB", (64, 64), (255, 0, 0) if n == 0 else (0, 0, 200 + n)) for n in range(frames)
    )
    return encoded(first, "GIF", save_all=True, append_images=more)


def flat(width: int, height: int, color: int = 6, depth: int = 8) -> bytes:
    """A PNG of zeros, which is small however many pixels it has: a bomb, or just a large picture."""
    channels = {0: 1, 2: 3, 6: 4}[color]
    row = bytes(1 + width * channels * depth // 8)
    packer, packed = zlib.compressobj(1), []
    for _ in range(height):
        packed.append(packer.compress(row))
    data = b"".join([*packed, packer.flush()])

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


RED, WHITE = [1.0, 0, 0], [3**-0.5] * 3
PICTURES: dict[str, tuple[Callable[[], bytes], str | list[float]]] = {
    "nothing": (lambda: b"", "is empty"),
    "truncated JPEG": (lambda: encoded(gradient(), "JPEG")[:3000], "is damaged: image file is truncated"),
    "head of a JPEG": (lambda: encoded(gradient(), "JPEG")[:200], "is damaged"),
    "40-megapixel bomb": (lambda: flat(8000, 5000), "has 40 megapixels: at most 32 are read"),
    "header of a bomb": (lambda: png_header(8000, 5000), "has 40 megapixels"),
    "a bomb of bombs": (lambda: png_header(2**31 - 1, 2**31 - 1), "is too large to decode"),
    "SVG": (lambda: SVG, "is not a picture of a kind that is read"),
    "HTML": (lambda: b"<html>404 not found</html>", "is not a picture of a kind that is read"),
    "animated GIF": (animated, RED),
    "CMYK": (lambda: encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95), RED),
    "16-bit PNG": (lambda: encoded(Image.fromarray(np.full((9, 9), 40000, np.uint16)), "PNG"), WHITE),
    "1 × 1": (lambda: encoded(Image.new("RGB", (1, 1), (9, 0, 0)), "PNG"), RED),
    "1 × 20,000": (lambda: encoded(Image.new("RGB", (1, 20_000), (9, 0, 0)), "PNG"), RED),
    "transparent": (lambda: encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG"), WHITE),
    "30 transparent megapixels": (lambda: flat(6000, 5000), WHITE),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_a_vector_or_a_reason(name: str, image: OnnxImageEncoder) -> None:
    make, expected = PICTURES[name]
    good = encoded(Image.new("RGB", (9, 9), (0, 0, 255)), "PNG")
    vectors, reasons = image.encode_pictures([good, make(), good])
    np.testing.assert_allclose(vectors[[0, 2]], [[0, 0, 1]] * 2, atol=1e-6)
    if isinstance(expected, str):
        assert reasons[1] is not None
        assert expected in reasons[1]
        assert not vectors[1].any()
    else:
        assert reasons == [None] * 3
        np.testing.assert_allclose(vectors[1], expected, atol=0.03)


LARGE = {
    "40-megapixel bomb": (flat(8000, 5000), 20),
    "a bomb's header": (png_header(60_000, 60_000), 20),
    "31 megapixels, RGBA": (flat(6200, 5000), 260),
    "31 megapixels, 16 bits": (flat(6200, 5000, color=0, depth=16), 260),
    "31 megapixels, JPEG": (encoded(Image.new("RGB", (6200, 5000), (9, 9, 9)), "JPEG"), 130),
    "four of them at once": (flat(6200, 5000), 260),
}
"""Files, and how many megabytes reading one may take at most."""
MEASURE = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from embeddings.onnx_image import OnnxImageEncoder

encoder = OnnxImageEncoder.open(Path(sys.argv[1]))
data, times = Path(sys.argv[2]).read_bytes(), int(sys.argv[3])

def most():  # of this process alone: getrusage's figure begins with that of the process it was forked from
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1])

before = most()
with ThreadPoolExecutor(times) as pool:
    answers = list(pool.map(lambda _: encoder.encode_pictures([data])[1][0], range(times)))
print(json.dumps([most() - before, answers]))
"""


@pytest.mark.parametrize("name", LARGE)
def test_large_pictures_take_bounded_memory(name: str, tmp_path: Path) -> None:
    data, most = LARGE[name]
    (tmp_path / "picture").write_bytes(data)
    folder, times = write_image_encoder(tmp_path / "encoder"), 4 if name.startswith("four") else 1
    command = [sys.executable, "-c", MEASURE, str(folder), str(tmp_path / "picture"), str(times)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, _ = json.loads(done.stdout)
    assert grown / 1024 < most, f"{grown / 1024:.0f} MB"


MEGABYTE = 2**20
TEXTS: dict[str, tuple[str, list[float] | None]] = {
    "empty": ("", None),
    "white space": (" \n\t \u3000", None),
    "a megabyte of white space": (" \n" * (MEGABYTE // 2), None),
    "a megabyte": ("space " * (MEGABYTE // 6), [1, 0, 0, 0]),
    "a megabyte without a space": ("x" * MEGABYTE, [0, 0, 0, 1]),
    "a megabyte of sections": ("ocean\n\n" * (MEGABYTE // 7), [0, 1, 0, 0]),
    "a megabyte of emoji": ("🎬" * (MEGABYTE // 4), [0, 0, 0, 1]),
    "right to left": ("فيلم عن الفضاء \u202e space", [0.3, 0, 0, 0.95]),
    "emoji": ("👩‍👩‍👧 space", [0.2, 0, 0, 0.98]),
    "half an emoji": ("space \ud83d", [0.7, 0, 0, 0.7]),
    "NUL": ("space\0ocean", None),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_a_vector_or_nothing(name: str, text: OnnxTextEncoder) -> None:
    words, expected = TEXTS[name]
    vectors = text.encode_texts(["love", words, "ocean"])
    np.testing.assert_allclose(vectors[[0, 2]], [[0, 0, 1, 0], [0, 1, 0, 0]], atol=1e-6)
    assert np.isfinite(vectors).all()
    if expected is not None:
        np.testing.assert_allclose(vectors[1], expected, atol=0.15)
    elif not words.strip():
        assert not vectors[1].any()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> OnnxTextEncoder:
    return OnnxTextEncoder.open(write_text_encoder(tmp_path_factory.mktemp("text")))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> OnnxImageEncoder:
    return OnnxImageEncoder.open(write_image_encoder(tmp_path_factory.mktemp("image")))


@pytest.mark.train
@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("a megabyte")])
def test_a_megabyte_is_read_in_a_moment_by_sbert(name: str, onnx_sbert: OnnxTextEncoder) -> None:
    assert len(onnx_sbert.pieces([TEXTS[name][0]]).texts) <= 48


def test_what_a_gif_shows_first_is_what_counts() -> None:
    with Image.open(io.BytesIO(animated())) as picture:
        assert getattr(picture, "n_frames", 1) == 50
