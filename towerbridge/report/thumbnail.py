"""Pictures of items, small enough to lie in a page."""

from __future__ import annotations

import io
from base64 import b64encode

from catalog.records import Item
from embeddings.content import UnreadableError, image_bytes
from embeddings.pictures import decode

SIDE = (96, 132)
"""Pixels at most, across and down."""
QUALITY = 72


def thumbnail(item: Item) -> str | None:
    """A JPEG as a `data:` URI; None where there is no picture that can be read."""
    if not item.image:
        return None
    try:
        picture = decode(image_bytes(item.image))
    except UnreadableError:
        return None
    picture.thumbnail(SIDE)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
