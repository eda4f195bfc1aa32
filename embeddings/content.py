"""What an encoder reads of an item, and the identity of that content.

Knows texts and bytes only: no weights, no vectors, no pixels. The hashes are the same for every encoder
of a modality, so a job that only looks vectors up never has to load a model.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode
from pathlib import Path
from urllib.parse import unquote_to_bytes

from catalog.records import Item
from embeddings.encoder import Modality

MAX_FILE_BYTES = 64 * 2**20
"""No picture file larger than this is read."""
_BLANK_LINE = re.compile(r"\n\s*\n")


class UnreadableError(Exception):
    """A picture that cannot be read; the message is the reason, in words for a report."""


def item_text(item: Item) -> str:
    """Title, lead and body of an item, parted by blank lines; "" where it has none of them.

    The lead is what stands before the first blank line of a text, such as a summary before a description.
    """
    return "\n\n".join([part for part in (plain(item.title), *sections(item.text, 2)) if part])


def sections(text: str, most: int) -> list[str]:
    """The parts of a text between blank lines, at most so many (two or more), each as one line and none empty.

    The last one holds all the rest.
    """
    return [part for part in map(plain, _BLANK_LINE.split(text.strip(), most - 1)) if part]


def plain(text: str) -> str:
    """One line of valid Unicode: runs of white space become a space, lone surrogates a question mark."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


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
