"""What an encoder reads of an item, and the identity of that content.

Knows texts and bytes only: no weights, no vectors, no pixels. The hashes are the same for every encoder
of a modality, so a job that only looks vectors up never has to load a model.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from pathlib import Path
from urllib.parse import unquote_to_bytes

from catalog.records import Item
from embeddings.encoder import Modality

MAX_FILE_BYTES = 64 * 2**20
"""No picture file larger than this is read."""
_SENTENCE_ENDS = (".", "!", "?", "…", ":", ";", ",")


class UnreadableError(Exception):
    """A picture that cannot be read; the message is the reason, in words for a report."""


def item_text(item: Item) -> str:
    """Title and text as one line, `title. text`, or "" where the item has neither."""
    title, text = _plain(item.title), _plain(item.text)
    if not title or not text:
        return title or text
    return f"{title} {text}" if title.endswith(_SENTENCE_ENDS) else f"{title}. {text}"


def image_bytes(image: str) -> bytes:
    """The bytes behind a file path or a `data:` URI; raises UnreadableError with the reason."""
    if image[:5].lower() == "data:":
        return _data_uri(image)
    if "://" in image[:16]:
        raise UnreadableError("is a URL: only files and data: URIs are read")
    path = Path(image)
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UnreadableError(
                f"has {size / 2**20:.0f} MiB: at most {MAX_FILE_BYTES // 2**20} MiB are read"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableError("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise UnreadableError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def content_hash(item: Item, modality: Modality) -> str | None:
    """32 hex digits that name the content of one modality; None where the item has none of it.

    A picture is named by its bytes, so the same picture in two files is encoded once. One that cannot be
    read is named by its address instead: when the file appears, it is new content and gets its turn.
    """
    if modality == "text":
        text = item_text(item)
        return _digest(b"text", text.encode()) if text else None
    if not item.image:
        return None
    try:
        return _digest(b"image", image_bytes(item.image))
    except UnreadableError:
        return _digest(b"unreadable", item.image.encode("utf-8", "replace"))


def _plain(text: str) -> str:
    """One line of valid Unicode: runs of white space become a space, lone surrogates a question mark."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _data_uri(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma:
        raise UnreadableError("is a data: URI without a comma before its data")
    if len(body) > MAX_FILE_BYTES * 4 // 3 + 4:
        raise UnreadableError(f"is a data: URI of over {MAX_FILE_BYTES // 2**20} MiB")
    data = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return data
    try:
        return b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as error:
        raise UnreadableError(f"is a data: URI whose base64 is broken: {error}") from error


def _digest(kind: bytes, content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16, person=kind).hexdigest()
