"""Whatever strangers send, there is a defined answer, none of them a 500, and memory stays bounded."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.bundle import senses
from tests.serving.sensing import Shop, data_of, ids


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def noise(*shape: int, depth: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(depth).max, shape, depth)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that declares, and has, all those pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(1 + width)) for _ in range(height)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


JPEG = saved(Image.fromarray(noise(64, 64, 3)), "JPEG")
FRAMES = [Image.fromarray(noise(20, 20, 3)) for _ in range(5)]
ROTATED = Image.Exif()
ROTATED[0x0112] = 6
PICTURES: dict[str, tuple[bytes, int]] = {
    "jpeg": (JPEG, 201),
    "truncated jpeg": (JPEG[: len(JPEG) // 2], 422),
    "jpeg without its end": (JPEG[:-2], 422),
    "40-megapixel bomb": (bomb(8000, 5000), 422),
    "a bomb that lies": (bomb(99, 99).replace(struct.pack(">II", 99, 99), struct.pack(">II", 9, 9)), 422),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 422),
    "animated gif": (saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), 201),
    "cmyk jpeg": (saved(Image.fromarray(noise(30, 30, 4), "CMYK"), "JPEG"), 201),
    "16-bit png": (saved(Image.fromarray(noise(30, 30, depth=np.uint16)), "PNG"), 201),
    "1 x 1": (saved(Image.new("RGB", (1, 1)), "PNG"), 201),
    "1 x 20,000": (saved(Image.new("RGB", (1, 20_000)), "PNG"), 201),
    "transparent": (saved(Image.fromarray(noise(30, 30, 4)), "PNG"), 201),
    "palette": (saved(Image.fromarray(noise(30, 30, 3)).quantize(8), "PNG"), 201),
    "webp": (saved(Image.fromarray(noise(30, 30, 3)), "WEBP"), 201),
    "tiff": (saved(Image.fromarray(noise(30, 30, 3)), "TIFF"), 201),
    "lying on its side": (saved(Image.fromarray(noise(30, 60, 3)), "JPEG", exif=ROTATED), 201),
    "empty": (b"", 422),
    "zeros": (bytes(10_000), 422),
    "text": (b"GIF89a but not really", 422),
    "a program": (b"\x7fELF" + bytes(range(256)) * 8, 422),
}  # fmt: skip
TEXTS = {
    "1 MB": "lorem ipsum dolor " * 55_000, "one word of 1 MB": "x" * 1_000_000, "empty": "", "blank": " \n\t ",
    "right to left": "כוכב הצפון שלום עליכם", "mixed directions": "abc \u202eכוכב\u202c def",
    "emoji": "🚀" * 500 + "👩‍🚀",
    "zero width": "\u200b\u200d\ufeff", "combining": "e" + "\u0301" * 5000, "control": "a\x01\x1b[31mb\x7f",
    "NUL": "a\0b", "astral": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "markup": "<script>alert(1)</script> {{7*7}} $where",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(sensing_bundle: Path) -> Iterator[TestClient]:
    with Shop(sensing_bundle).worker() as client:
        yield client


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_every_kind_have_a_defined_answer(client: TestClient, name: str) -> None:
    data, expected = PICTURES[name]
    item = f"p {name}"
    upload = client.post("/v1/items", data={"item_id": item}, files={"image": ("x", data)})
    assert upload.status_code == expected, upload.text
    uri = client.put(f"/v1/items/uri {name}", json={"image": senses.data_uri(data)})
    assert uri.status_code == expected
    search = client.post("/v1/search/image", files={"image": ("x", data)}, params={"limit": 100})
    if expected == 201:
        assert upload.json()["image"] is True
        assert item in ids(search)
        stored = Image.open(io.BytesIO(data_of(client, item)))
        assert stored.format in ("JPEG", "PNG", "WEBP", "GIF")
    else:
        for answer in (upload, uri, search):
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
            assert answer.json()["errors"][0]["field"] == "body.image"
        assert client.get(f"/v1/items/{item}").status_code == 404


@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_every_kind_have_a_defined_answer(client: TestClient, name: str) -> None:
    text = TEXTS[name]
    answer = client.put("/v1/items/t", json={"title": f"t {name}", "text": text})
    assert answer.status_code in (200, 201), answer.text
    assert client.get("/v1/items/t").json()["text"] == text
    assert "t" in ids(client.get("/v1/search", params={"q": f"t {name}"}))
    for query in (text[:1000], text[:20]):
        found = client.get("/v1/search", params={"q": query})
        assert found.status_code == (200 if query.strip() else 422)
    assert client.get("/v1/users/u0/recommendations?explain=true").status_code == 200


def test_a_large_picture_is_kept_small(client: TestClient) -> None:
    data = saved(Image.fromarray(noise(1500, 2000, 3)), "PNG")
    assert len(data) > 8_000_000
    assert (
        client.post("/v1/items", data={"item_id": "large"}, files={"image": ("x", data)}).status_code == 201
    )
    kept = Image.open(io.BytesIO(data_of(client, "large")))
    assert (kept.format, kept.size) == ("JPEG", (1024, 768))
    small = PICTURES["webp"][0]
    client.post("/v1/items", data={"item_id": "small"}, files={"image": ("x", small)})
    assert data_of(client, "small") == small, "kept as it came"


CODE = """
import sys
from pathlib import Path
from tests.serving import test_bad_input as bad
from tests.serving.sensing import Shop

def peak():
    return int(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1]) / 1024

with Shop(Path(sys.argv[1])).worker() as client:
    client.post("/v1/items", data={"item_id": "x"}, files={"image": ("x", bad.JPEG)})
    before = peak()
    for name in ("40-megapixel bomb", "1 x 20,000"):
        for _ in range(3):
            client.post("/v1/search/image", files={"image": ("x", bad.PICTURES[name][0])})
    bomb = bad.bomb(6000, 5000)
    for _ in range(3):
        assert client.post("/v1/items", data={"item_id": "b"}, files={"image": ("x", bomb)}).status_code < 300
    for text in bad.TEXTS.values():
        client.put("/v1/items/t", json={"text": text})
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded(sensing_bundle: Path) -> None:
    """Bombs that are refused cost nothing; the largest picture that is taken costs some 250 MB, once."""
    run = [sys.executable, "-c", CODE, str(sensing_bundle)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 350
