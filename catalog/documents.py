"""Records as MongoDB documents and back: pure functions, shared by the synchronous and the live store.

Field names are short because a million interactions carry them. Ids and feature names are checked here,
on the way in, so that whatever is stored comes back exactly as it was.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

from bson import Int64, ObjectId

from catalog.errors import DataError
from catalog.records import BadRow, FeatureValue, Interaction, Item, ItemId, User, UserId

Document = dict[str, Any]

LONGEST_ID = 1024
"""Bytes of UTF-8."""
FEATURE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
WEB = "http"
"""How the address of a picture begins that is on the web."""
EVENT_FIELDS = {"_id": 0, "u": 1, "i": 1, "t": 1, "s": 1, "n": 1, "v": 1, "f": 1, "r": 1, "q": 1}
"""Projection of an interaction: everything but its derived identity."""


def checked_id(value: str, what: str) -> str:
    """The id itself; DataError where MongoDB could not hold it or nobody could mean it.

    Blanks, quotes, slashes, dots, `$` and emoji are all fine: ids are opaque and never trimmed.
    """
    if not isinstance(value, str):
        raise DataError(f"{what} must be a string, but {value!r} is {type(value).__name__}")
    if not value:
        raise DataError(f"{what} is empty; every record needs one")
    if "\0" in value:
        raise DataError(f"{what} {value!r} holds a NUL character, which no id may")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise DataError(
            f"{what} {value!r} is not valid Unicode (it holds half of a surrogate pair)"
        ) from None
    if size > LONGEST_ID:
        raise DataError(f"{what} {value[:40]!r}… is {size} bytes long; at most {LONGEST_ID} are allowed")
    return value


def checked_text(value: str, what: str) -> str:
    """The text itself; DataError where it is not valid Unicode."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DataError(f"{what} is not valid Unicode (it holds half of a surrogate pair)") from None
    return value


def features_to_document(features: Mapping[str, FeatureValue]) -> Document:
    """Features as a subdocument: a set of categories becomes an array, what is not known is left out."""
    document: Document = {}
    for name, value in features.items():
        if not FEATURE_NAME.fullmatch(name):
            raise DataError(
                f"feature name {name!r} is not allowed; use a lower-case letter followed by at most 63 "
                "lower-case letters, digits or underscores"
            )
        if isinstance(value, tuple):
            document[name] = [checked_text(part, f"a value of feature {name!r}") for part in value]
        elif isinstance(value, str):
            document[name] = checked_text(value, f"the value of feature {name!r}")
        elif value is not None:
            if not math.isfinite(value):
                raise DataError(f"feature {name!r} is {value}, but numbers must be finite")
            document[name] = float(value)
    return document


def document_to_features(document: Mapping[str, Any]) -> dict[str, FeatureValue]:
    """Inverse of `features_to_document`, but for what was not known."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}


def item_to_document(item: Item) -> Document:
    """The stored form of an item, without the time of its last change."""
    return {
        "_id": checked_id(item.item_id, "item id"),
        "title": checked_text(item.title, f"the title of item {item.item_id!r}"),
        "text": checked_text(item.text, f"the text of item {item.item_id!r}"),
        "image": item.image,
        "features": features_to_document(item.features),
        "available": item.available,
    }


def document_to_item(document: Mapping[str, Any]) -> Item:
    """Inverse of `item_to_document`."""
    return Item(
        ItemId(document["_id"]),
        document["title"],
        document["text"],
        document["image"],
        document_to_features(document["features"]),
        document["available"],
    )


def address_of(image: str | None) -> str | None:
    """Where on the web a picture is; None of one that is in its record or in a file, and of none."""
    return image if image is not None and image[:4] == WEB else None


def user_to_document(user: User) -> Document:
    """The stored form of a user, without the time of its last change."""
    return {"_id": checked_id(user.user_id, "user id"), "features": features_to_document(user.features)}


def document_to_user(document: Mapping[str, Any]) -> User:
    """Inverse of `user_to_document`."""
    return User(UserId(document["_id"]), document_to_features(document["features"]))


def event_identity(event: Interaction) -> ObjectId:
    """Twelve bytes that are equal exactly when two events are the same one.

    That is the sender's own id where there is one, else what happened. NUL separates the parts: no id holds it.
    """
    if event.event_id is not None:
        key = f"e\0{event.event_id}"
    else:
        value = (event.query or "") if event.value is None else repr(float(event.value))
        key = f"i\0{event.user_id}\0{event.item_id}\0{event.type}\0{float(event.timestamp)!r}\0{value}"
    return ObjectId(hashlib.blake2b(key.encode(), digest_size=12).digest())


def event_to_document(event: Interaction) -> Document:
    """The stored form of an interaction; optional fields are left out where there is nothing to say."""
    if not math.isfinite(event.timestamp):
        raise DataError(f"the timestamp of an interaction must be finite, but {event.timestamp} came")
    user = checked_id(event.user_id, "user id")
    item = checked_id(event.item_id, "item id") if event.query is None else ""
    type_ = checked_id(event.type, "interaction type")
    if event.event_id is not None:
        checked_id(event.event_id, "event id")
    document: Document = {"_id": event_identity(event), "u": user, "i": item, "t": type_}
    document["s"], document["n"] = float(event.timestamp), Int64(event.sequence)
    if event.value is not None:
        if not math.isfinite(event.value):
            raise DataError(f"the value of an interaction must be finite, but {event.value} came")
        document["v"] = float(event.value)
    if event.fold:
        document["f"] = event.fold
    if event.query is not None:
        document["q"] = checked_text(event.query, "the query of an interaction")
    if event.request_id is not None:
        document["r"] = checked_id(event.request_id, "request id")
    return document


def document_to_event(document: Mapping[str, Any]) -> Interaction:
    """Inverse of `event_to_document`, but for the sender's event id, of which only the digest is kept."""
    get = document.get
    return Interaction(
        document["u"], document["i"], document["t"], document["s"], get("v"), None,
        get("r"), int(document["n"]), get("f", 0), get("q"),
    )  # fmt: skip


def bad_row_to_document(row: BadRow) -> Document:
    """The stored form of a quarantined row; equal rows have equal identities."""
    key = "\0".join((row.file, str(row.line), row.column, row.reason)).encode("utf-8", "surrogateescape")
    return {
        "_id": ObjectId(hashlib.blake2b(key, digest_size=12).digest()),
        "file": readable(row.file),
        "line": row.line,
        "column": readable(row.column),
        "value": readable(row.value),
        "reason": readable(row.reason),
        "kind": row.kind,
    }


def document_to_bad_row(document: Mapping[str, Any]) -> BadRow:
    """Inverse of `bad_row_to_document` for readable values."""
    return BadRow(
        document["file"], document["line"], document["column"], document["value"], document["reason"],
        document.get("kind", ""),
    )  # fmt: skip


def readable(value: str, longest: int = 1000) -> str:
    """A raw cell as it can be stored and shown: undecodable bytes as `\\xNN`, cut where it is very long."""
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value if len(value) <= longest else f"{value[:longest]}…"
