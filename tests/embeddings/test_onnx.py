"""Exported encoders, without torch, by graphs whose answers are computed by hand."""

import threading
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.records import Item, ItemId
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from tests.embeddings.by_hand import write_image_encoder, write_text_encoder
from tests.embeddings.pictures import encoded

HALF = 0.5**0.5


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> OnnxTextEncoder:
    return OnnxTextEncoder.open(write_text_encoder(tmp_path_factory.mktemp("text")))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> OnnxImageEncoder:
    return OnnxImageEncoder.open(write_image_encoder(tmp_path_factory.mktemp("image")))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("space", [1, 0, 0, 0]),
        ("Ocean ocean", [0, 1, 0, 0]),
        ("love ocean", [0, HALF, HALF, 0]),
        ("space\n\nlove love", [HALF, 0, HALF, 0]),
        ("مرحبا", [0, 0, 0, 1]),
        ("", [0, 0, 0, 0]),
    ],
)
def test_texts_by_hand(text: OnnxTextEncoder, words: str, expected: list[float]) -> None:
    np.testing.assert_allclose(text.encode_texts([words])[0], expected, atol=1e-6)


def test_windows_of_a_long_text_by_hand(text: OnnxTextEncoder) -> None:
    # Windows of 8 tokens, less the two that begin and end a sequence, begin 6 apart: 8 times space, then
    # 2 times space and 4 times love, as the last window ends with the text.
    vector = text.encode_texts(["space " * 8 + "love " * 4])[0]
    second = np.array([2, 4]) / 20**0.5
    expected = np.array([1, 0]) + second
    np.testing.assert_allclose(vector[[0, 2]], expected / np.linalg.norm(expected), atol=1e-6)


def test_padding_says_nothing(text: OnnxTextEncoder) -> None:
    texts = ["love", "space ocean war love space ocean", "", "war ocean"] * 5
    together = text.encode_texts(texts)
    for row, one in enumerate(texts):
        np.testing.assert_allclose(together[row], text.encode_texts([one])[0], atol=1e-6)


def test_pictures_by_hand(image: OnnxImageEncoder) -> None:
    grey = (51 / 255) / (2 * (51 / 255) ** 2 + 1) ** 0.5
    vectors, reasons = image.encode_pictures([
        encoded(Image.new("RGB", (9, 7), (255, 0, 0)), "PNG"),
        encoded(Image.new("RGB", (30, 20), (51, 255, 51)), "PNG"),
        b"junk",
        encoded(Image.new("L", (1, 1), 255), "GIF"),
    ])  # fmt: skip
    expected = [[1, 0, 0], [grey, 5 * grey, grey], [0, 0, 0], [3**-0.5] * 3]
    np.testing.assert_allclose(vectors, expected, atol=1e-3)
    assert [reason is None for reason in reasons] == [True, True, False, True]


def test_items_without_a_picture_are_told(image: OnnxImageEncoder, tmp_path: Path) -> None:
    (tmp_path / "blue.png").write_bytes(blue := encoded(Image.new("RGB", (4, 4), (0, 0, 255)), "PNG"))
    places = [None, "", str(tmp_path / "blue.png"), str(tmp_path / "no.png"), "https://example.org/a.png",
              "data:image/png;base64," + b64encode(blue).decode()]  # fmt: skip
    vectors, reasons = image.encode([Item(ItemId(str(n)), image=place) for n, place in enumerate(places)])
    assert [reason and reason[:12] for reason in reasons] == [
        "has no pictu", "has no pictu", None, "no such file", "is a URL: on", None,
    ]  # fmt: skip
    np.testing.assert_allclose(vectors[:, 2], [0, 0, 1, 0, 0, 1], atol=1e-6)


def test_threads_share_an_encoder(text: OnnxTextEncoder, image: OnnxImageEncoder) -> None:
    texts = ["space love", "war " * 30, "ocean\n\nwar", "love"]
    files = [encoded(Image.new("RGB", (40, 40), (n * 60, 255, 0)), "JPEG") for n in range(4)]
    expected = text.encode_texts(texts), image.encode_pictures(files)[0]
    wrong: list[int] = []

    def work(row: int) -> None:
        for _ in range(20):
            same = np.allclose(text.encode_texts([texts[row]])[0], expected[0][row], atol=1e-6)
            alike = np.allclose(image.encode_pictures([files[row]])[0][0], expected[1][row], atol=1e-6)
            if not (same and alike):
                wrong.append(row)

    workers = [threading.Thread(target=work, args=(row,)) for row in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
