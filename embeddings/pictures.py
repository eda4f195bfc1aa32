"""From bytes to the float array that an image network reads, by Pillow and numpy alone.

Catalogue pictures come from strangers, so whatever is wrong with one is a reason in words, never a crash,
and size is bounded before a single pixel is decoded. `Preprocess` holds what timm calls the data config:
it is plain data, so that it can travel with an exported graph to a process that has no torch.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from catalog.errors import ConfigError
from catalog.records import Floats
from embeddings.content import UnreadableError

Seen = TypeVar("Seen")
Pixels = NDArray[np.uint8]
MAX_PIXELS = 32_000_000
"""A picture that declares more is refused: decoded it would take over 100 MB."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
LARGE = 4_000_000
"""Pixels above which pictures are decoded one at a time."""
DRAFT_SIDE = 1024
_BAND_PIXELS = 1_000_000
_MAX_ASPECT = 4
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""By EXIF orientation, what turns the pixels upright."""
# One thread, and not only one at a time: what each thread allocates and frees stays with it, by the megabyte.
_large_pictures = ThreadPoolExecutor(1, "large pictures")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How the pictures of one network are resized, cropped and normalised."""

    size: int
    """Side of the square that the network reads, in pixels."""
    crop_pct: float
    """Side of that square as a share of the resized picture's short side."""
    crop_mode: str
    """`center` keeps the shape and cuts; `squash` bends the picture into a square first."""
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if self.crop_mode not in ("center", "squash"):
            raise ConfigError(f"crop_mode is one of center, squash, not {self.crop_mode!r}")
        if self.interpolation not in _FILTERS:
            raise ConfigError(f"interpolation is one of {', '.join(_FILTERS)}, not {self.interpolation!r}")

    def __call__(self, picture: Image.Image) -> Floats:
        """An RGB picture as `[3, size, size]` float32, ready for the network."""
        pixels: Floats = self.normal(self.square(picture)[None])[0]
        return pixels

    def normal(self, squares: Pixels) -> Floats:
        """Pixels `[n, size, size, 3]` as the `[n, 3, size, size]` float32 that the network reads."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        normal = squares * (1 / (255 * std)) - mean / std
        planes: Floats = np.ascontiguousarray(normal.transpose(0, 3, 1, 2))
        return planes

    def square(self, picture: Image.Image) -> Pixels:
        """The part of an RGB picture that the network sees, at its size: `[size, size, 3]`."""
        scaled = math.floor(self.size / self.crop_pct)
        if self.crop_mode == "center":
            picture = _without_far_ends(picture)
            short = min(picture.size)
            width, height = (int(scaled * side / short) for side in picture.size)
        else:
            width = height = scaled
        resized = picture.resize((width, height), _FILTERS[self.interpolation])
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        window = resized.crop((left, top, left + self.size, top + self.size))
        return np.asarray(window)


def decode(data: bytes) -> Image.Image:
    """The first frame of a picture file as upright RGB on white; raises UnreadableError with the reason."""
    return seen(data, lambda picture: picture)


def seen(data: bytes, look: Callable[[Image.Image], Seen]) -> Seen:
    """What `look` answers when shown the decoded picture; raises UnreadableError with the reason.

    Takes at most some 250 MB, and that once however many threads ask: a large picture is decoded, looked at and
    forgotten before the next one.
    """
    if not data:
        raise UnreadableError("is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which does not concern pixels
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                pixels = picture.width * picture.height
            if pixels > MAX_PIXELS:
                raise UnreadableError(
                    f"has {pixels / 1e6:.0f} megapixels: at most {MAX_PIXELS / 1e6:.0f} are read"
                )
            if pixels > LARGE:
                return _large_pictures.submit(_seen, data, look).result()
            return _seen(data, look)
    except UnreadableError:
        raise
    except UnidentifiedImageError:
        raise UnreadableError(f"is not a picture of a kind that is read ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"is too large to decode: {error}") from error
    except Exception as error:
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and more on
        # damaged bytes; whichever it is, one picture must not stop a catalogue.
        raise UnreadableError(f"is damaged: {error or type(error).__name__}") from error


def _seen(data: bytes, look: Callable[[Image.Image], Seen]) -> Seen:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        # JPEG decodes to a half, a quarter or an eighth for less; four times what a network sees is plenty.
        picture.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
        picture.load()
        return look(_upright(_rgb(picture), picture))


def _upright(rgb: Image.Image, picture: Image.Image) -> Image.Image:
    """The pixels of a picture, turned as its EXIF block says."""
    try:
        turn = _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels: show them as they lie
        return rgb
    return rgb if turn is None else rgb.transpose(turn)


def _rgb(picture: Image.Image) -> Image.Image:
    """Any mode as RGB; what is transparent lies on white, and 16 bits a channel are scaled, not clipped."""
    deep = picture.mode.startswith("I") or picture.mode == "F"
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture.copy()
    low, scale = _levels(picture) if deep else (0.0, 1.0)
    result = Image.new("RGB", picture.size)
    for top, band in _bands(picture):
        if deep:
            values = (_numbers(band) - np.float32(low)) * np.float32(scale)
            band = Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))
        elif band.has_transparency_data:
            layer = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer)
        result.paste(band.convert("RGB"), (0, top))
    return result


def _bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Full-width pieces and where they begin: what is made of one is small beside the picture."""
    rows = max(1, _BAND_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _numbers(band: Image.Image) -> Floats:
    numbers: Floats = np.nan_to_num(np.asarray(band).astype(np.float32))
    return numbers


def _levels(picture: Image.Image) -> tuple[float, float]:
    """What to subtract from deep pixels, and what to multiply them by, so that 255 is white."""
    ends = [(float(n.min()), float(n.max())) for n in (_numbers(band) for _, band in _bands(picture))]
    low, high = min(one for one, _ in ends), max(one for _, one in ends)
    if picture.mode == "F":
        return low, 255 / (high - low) if high > low else 0.0
    return 0.0, 1 / 257 if high > 255 else 1.0  # 65535 is white


def _without_far_ends(picture: Image.Image) -> Image.Image:
    """Cut what a centre crop drops anyway, so that resizing a 1 × 10,000 strip stays small."""
    limit = _MAX_ASPECT * min(picture.size)
    if max(picture.size) <= limit:
        return picture
    width, height = (min(side, limit) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
