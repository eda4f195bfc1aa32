"""From bytes to the float array that an image network reads, by Pillow and numpy alone.

Catalogue pictures come from strangers, so whatever is wrong with one is a reason in words, never a crash,
and size is bounded before a single pixel is decoded. `Preprocess` holds what timm calls the data config:
it is plain data, so that it can travel with an exported graph to a process that has no torch.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from catalog.errors import ConfigError
from catalog.records import Floats
from embeddings.content import UnreadableError

MAX_PIXELS = 32_000_000
"""A picture that declares more is refused: decoded it would take over 100 MB."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
_MAX_ASPECT = 4
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


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
        """An RGB picture as `[3, size, size]` float32."""
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
        pixels = np.asarray(window, np.float32) / np.float32(255)
        normal = (pixels - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))


def decode(data: bytes) -> Image.Image:
    """The first frame of a picture file as upright RGB on white; raises UnreadableError with the reason."""
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
                picture.load()
                return _rgb(_upright(picture))
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


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # a damaged EXIF block says nothing about the pixels: show them as they lie
        return picture


def _rgb(picture: Image.Image) -> Image.Image:
    """Any mode as RGB; what is transparent lies on white, and 16 bits a channel are scaled, not clipped."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    wide: Floats = np.nan_to_num(values.astype(np.float32))
    if np.issubdtype(values.dtype, np.floating):
        low, high = float(wide.min()), float(wide.max())
        wide = (wide - np.float32(low)) * np.float32(255 / (high - low) if high > low else 0)
    elif wide.max(initial=0) > 255:
        wide = wide / np.float32(257)  # 65535 is white
    return np.rint(np.clip(wide, 0, 255)).astype(np.uint8)


def _without_far_ends(picture: Image.Image) -> Image.Image:
    """Cut what a centre crop drops anyway, so that resizing a 1 × 10,000 strip stays small."""
    limit = _MAX_ASPECT * min(picture.size)
    if max(picture.size) <= limit:
        return picture
    width, height = (min(side, limit) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
