import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from catalog.errors import ConfigError
from embeddings.content import UnreadableError
from embeddings.pictures import Preprocess, decode
from tests.embeddings.pictures import encoded, gradient, png_header

HALF = (0.5, 0.5, 0.5)


def preprocess(size: int = 8, crop_pct: float = 1.0, crop_mode: str = "center") -> Preprocess:
    return Preprocess(size, crop_pct, crop_mode, "bicubic", HALF, HALF)


def svg() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"not a picture at all", "not a picture of a kind", id="text"),
        pytest.param(svg(), "not a picture of a kind", id="svg"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture of a kind", id="postscript"),
        pytest.param(encoded(gradient(), "JPEG")[:2000], "is damaged: .*truncated", id="truncated-jpeg"),
        pytest.param(encoded(gradient(), "PNG")[:300], "is damaged", id="truncated-png"),
        pytest.param(encoded(gradient(), "GIF")[:900], "is damaged", id="truncated-gif"),
        pytest.param(encoded(gradient(), "JPEG")[:20], "not a picture|is damaged", id="jpeg-head"),
        pytest.param(png_header(8000, 5000), "has 40 megapixels: at most 32", id="40-megapixels"),
        pytest.param(png_header(60000, 60000), "too large to decode", id="3600-megapixels"),
        pytest.param(png_header(300, 300), "is damaged", id="lying-png"),
    ],
)
def test_broken_pictures_are_reasons(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        decode(data)


def test_a_bomb_is_refused_before_it_takes_memory() -> None:
    black = encoded(Image.new("L", (8000, 5000)), "PNG")
    tracemalloc.start()
    with pytest.raises(UnreadableError, match="40 megapixels"):
        decode(black)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6, f"{peak} bytes for a picture that is not read"


def centre(data: bytes) -> tuple[int, ...]:
    picture = decode(data)
    assert picture.mode == "RGB"
    value = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(value, tuple)
    return tuple(int(part) for part in value)


def palette_with_alpha() -> bytes:
    picture = Image.new("P", (9, 9), 1)
    picture.putpalette([0, 0, 0, 200, 10, 10])
    return encoded(picture, "PNG", transparency=1)


def first_of_two_frames() -> bytes:
    red, blue = Image.new("RGB", (9, 9), (255, 0, 0)), Image.new("RGB", (9, 9), (0, 0, 255))
    return encoded(red, "GIF", save_all=True, append_images=[blue])


def deep(dtype: type, value: float) -> Image.Image:
    return Image.fromarray(np.full((9, 9), value, dtype))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"), (9, 8, 7), id="1x1"),
        pytest.param(encoded(Image.new("1", (9, 9), 1), "PNG"), (255, 255, 255), id="bilevel"),
        pytest.param(encoded(Image.new("L", (9, 9), 77), "PNG"), (77, 77, 77), id="grey"),
        pytest.param(encoded(deep(np.uint16, 32896), "PNG"), (128, 128, 128), id="16-bit"),
        pytest.param(encoded(deep(np.int32, 65535), "TIFF"), (255, 255, 255), id="32-bit"),
        pytest.param(encoded(deep(np.float32, 0.7), "TIFF"), (0, 0, 0), id="float-constant"),
        pytest.param(encoded(Image.new("LA", (9, 9), (0, 0)), "PNG"), (255, 255, 255), id="grey-alpha"),
        pytest.param(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 51)), "PNG"), (204,) * 3, id="20%-black"),
        pytest.param(palette_with_alpha(), (255, 255, 255), id="palette-alpha"),
        pytest.param(first_of_two_frames(), (255, 0, 0), id="first-frame"),
        pytest.param(encoded(Image.new("RGB", (9, 9), (0, 0, 255)), "BMP"), (0, 0, 255), id="bmp"),
    ],
)
def test_every_mode_becomes_rgb_on_white(data: bytes, expected: tuple[int, ...]) -> None:
    assert centre(data) == expected


def test_cmyk_is_converted() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(np.subtract(centre(encoded(red, "JPEG", quality=95)), (255, 0, 0))).max() <= 8


def test_exif_turns_the_picture_upright() -> None:
    lying = gradient(60, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90° clockwise
    assert decode(encoded(lying, "JPEG", exif=exif)).size == (30, 60)


def test_damaged_exif_is_ignored() -> None:
    assert decode(encoded(gradient(60, 30), "JPEG", exif=b"Exif\0\0MM\0*garbage")).size == (60, 30)


def test_float_pictures_are_stretched() -> None:
    ramp = np.linspace(-3, 5, 9, dtype=np.float32)[None].repeat(9, axis=0)
    values = np.asarray(decode(encoded(Image.fromarray(ramp), "TIFF")))[0, :, 0]
    assert values[0] == 0
    assert values[-1] == 255


def test_preprocess_by_hand() -> None:
    # White is 1.0, so (1.0 - 0.5) / 0.5 = 1; black is -1. The 2 white columns in the middle of 4 are what a
    # centre crop of a half keeps.
    stripes = np.zeros((4, 4, 3), np.uint8)
    stripes[:, 1:3] = 255
    pixels = Preprocess(2, 0.5, "center", "nearest", HALF, HALF)(Image.fromarray(stripes))
    assert pixels.shape == (3, 2, 2)
    assert pixels.dtype == np.float32
    assert (pixels == 1).all()
    assert preprocess(4)(Image.fromarray(stripes))[0, 0].tolist() == [-1, 1, 1, -1]


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (3, 500)])
def test_no_shape_is_too_odd(size: tuple[int, int]) -> None:
    pixels = preprocess(224, 0.9)(Image.new("RGB", size, (255, 255, 255)))
    assert pixels.shape == (3, 224, 224)
    np.testing.assert_allclose(pixels, 1, atol=1e-6)


def test_far_ends_of_a_strip_do_not_matter() -> None:
    strip = gradient(1200, 100)
    cut = strip.crop((400, 0, 800, 100))
    np.testing.assert_array_equal(preprocess(64)(strip), preprocess(64)(cut))


@pytest.mark.parametrize(("mode", "filter_"), [("border", "bicubic"), ("center", "random")])
def test_unknown_settings_are_named(mode: str, filter_: str) -> None:
    with pytest.raises(ConfigError, match="is one of"):
        Preprocess(224, 0.9, mode, filter_, HALF, HALF)


@pytest.mark.train
@pytest.mark.parametrize("size", [(320, 240), (150, 224), (224, 149), (500, 333), (37, 91)])
@pytest.mark.parametrize(
    ("crop_pct", "mode", "interpolation"),
    [(0.9, "center", "bicubic"), (0.95, "center", "bilinear"), (1.0, "squash", "bicubic")],
)
def test_preprocess_is_what_timm_does(
    size: tuple[int, int], crop_pct: float, mode: str, interpolation: str
) -> None:
    pytest.importorskip("torch")
    from embeddings.torchvision_ops import declare_missing_operators

    declare_missing_operators()
    from timm.data import create_transform

    picture = decode(encoded(gradient(*size), "PNG"))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    oracle = create_transform(
        (3, 224, 224), mean=mean, std=std, crop_pct=crop_pct, crop_mode=mode, interpolation=interpolation
    )
    ours = Preprocess(224, crop_pct, mode, interpolation, mean, std)(picture)
    np.testing.assert_allclose(ours, oracle(picture).numpy(), atol=1e-5)


def test_decoding_closes_what_it_opens() -> None:
    decode(encoded(gradient(), "WEBP"))
    with Image.open(io.BytesIO(encoded(gradient(), "PNG"))) as picture:
        assert picture.size == (320, 240)
