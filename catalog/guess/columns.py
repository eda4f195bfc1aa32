"""What a column of items or users says, in words of the declaration: title, text, picture or a feature."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.guess.profile import Column
from catalog.tables import LIST

TITLE = ("title", "name", "headline", "productdisplayname", "label", "heading")
TEXT = (
    "text",
    "description",
    "body",
    "plot",
    "caption",
    "summary",
    "abstract",
    "content",
    "overview",
    "desc",
)
PICTURE = ("image", "picture", "photo", "poster", "img", "thumbnail", "cover")
AVAILABLE = ("available", "availability", "active", "instock", "stock", "enabled")
WORDS_OF_FLAGS = frozenset({"0", "1", "true", "false", "yes", "no", "t", "f", "y", "n"})


@dataclass(frozen=True)
class Reading:
    """How the columns of one table are read."""

    title: Column | None = None
    text: Column | None = None
    image: Column | None = None
    image_path: str | None = None
    available: Column | None = None
    features: dict[str, tuple[Column, dict[str, Any]]] = field(default_factory=dict)
    """By name: the column and the words of its declaration."""
    unread: list[tuple[str, str]] = field(default_factory=list)
    """Columns that are not read, and why."""
    doubts: list[str] = field(default_factory=list)


def read_items(
    columns: Iterable[Column], key: Column, folder: Path, file: str, taken: Iterable[str]
) -> Reading:
    """Title, text, picture, availability and features of an items table; `taken` are names of features elsewhere."""
    rest = [column for column in columns if column is not key and column.filled]
    image = _named(rest, PICTURE, lambda c: c.is_picture or c.is_address) or _first(
        rest, lambda c: c.is_picture
    )
    rest = [column for column in rest if column is not image]
    words = [column for column in rest if not (column.is_number or column.unit or column.is_address)]
    title = _named(words, TITLE, lambda c: c.letters <= 200)
    text = _named(words, TEXT, lambda c: c.is_text and c is not title)
    long = sorted((c for c in words if c.is_text and c is not title), key=lambda c: -c.letters)
    doubts = []
    if text is None and long and (title is not None or len(long) > 1) and long[0].letters > 40:
        text = long[0]
        doubts.append(f"{file}: {text.name} is taken for the text, being the longest.")
    if title is None:
        title = next((c for c in reversed(long) if c is not text), None)
        if title is not None:
            doubts.append(f"{file}: {title.name} is taken for the title.")
    available = _named(rest, AVAILABLE, lambda c: {value.lower() for value in c.values} <= WORDS_OF_FLAGS)
    used = (title, text, available)
    features, unread = _features([column for column in rest if column not in used], taken)
    path = None
    if image is not None:
        path, doubt = _picture_path(image, folder)
        doubts += [f"{file}: {doubt}"] if doubt else []
    elif (path := _pictures_by_id(key, folder)) is not None:
        image = key
    return Reading(title, text, image, path, available, features, unread, doubts)


def read_users(columns: Iterable[Column], key: Column, taken: Iterable[str]) -> Reading:
    """Features of a users table."""
    features, unread = _features([column for column in columns if column is not key and column.filled], taken)
    return Reading(features=features, unread=unread)


def _named(columns: Iterable[Column], words: tuple[str, ...], able: Any) -> Column | None:
    """The able column whose name holds the earliest of the words."""
    for word in words:
        found = _first(columns, lambda column, word=word: column.is_called(word) and able(column))
        if found is not None:
            return found
    return None


def _first(columns: Iterable[Column], able: Any) -> Column | None:
    return next((column for column in columns if able(column)), None)


def _features(
    columns: Iterable[Column], taken: Iterable[str]
) -> tuple[dict[str, tuple[Column, dict[str, Any]]], list[tuple[str, str]]]:
    features: dict[str, tuple[Column, dict[str, Any]]] = {}
    unread = []
    for column in columns:
        cell = _feature(column)
        if isinstance(cell, str):
            unread.append((column.name, cell))
        else:
            features[_feature_name(column.name, [*taken, *features])] = column, cell
    return features, unread


def _feature(column: Column) -> dict[str, Any] | str:
    """The declaration of a feature, or why the column makes none."""
    found = len(column.values)
    if column.share_filled < 0.02:
        return "nearly always empty"
    if found == 1 and column.share_filled == 1:
        return "always the same"
    missing = {"missing": list(column.missing)} if column.missing else {}
    if column.separator is not None and not column.is_number:
        split = {} if column.separator == LIST else {"split": column.separator.strip() or column.separator}
        return {"kind": "multi", **split, **missing}
    if column.unit is not None:
        return "a time; features have none"
    if column.is_number and (found > 12 or not column.is_integer):
        if column.is_integer and column.is_unique and column.is_called("id", "index"):
            return "different in every row"
        if column.is_called("zip", "zipcode", "postcode", "postal"):
            return {"kind": "categorical", "prefix": 2, **missing}
        odd = {} if column.is_all_numbers else {"odd_is_missing": True}
        return {"kind": "numeric", **({"remove": column.signs} if column.signs else {}), **odd, **missing}
    if column.is_address or column.is_picture:
        return "addresses"
    if column.is_text or column.is_unique or found > max(0.5 * len(column.filled), 20):
        return "different in most rows"
    return {"kind": "categorical", **missing}


def _feature_name(name: str, taken: Iterable[str]) -> str:
    """A name that the declaration takes, and that is free."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    plain = (plain if re.match(r"[a-z]", plain) else f"f_{plain}".rstrip("_"))[:60]
    return next(free for free in (plain, *(f"{plain}_{n}" for n in range(2, 1000))) if free not in taken)


def _picture_path(image: Column, folder: Path) -> tuple[str | None, str | None]:
    """What is to be made of a column of pictures so that the files are found, and a doubt where they are not."""
    sample = [cell for cell in image.filled[:50] if not cell.startswith(("http://", "https://", "data:"))]
    if not sample or any((folder / cell).is_file() for cell in sample):
        return None, None
    for inner in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        if any((folder / inner / cell).is_file() for cell in sample):
            return f"{inner}/{{}}", None
    return None, f"none of the pictures that {image.name} names is there."


def _pictures_by_id(key: Column, folder: Path) -> str | None:
    """Where pictures are called by the items' ids: the path of one, {} being the id."""
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        for end in (".jpg", ".jpeg", ".png", ".webp"):
            if any((inner / f"{cell}{end}").is_file() for cell in key.filled[:200]):
                return f"{inner.name}/{{}}{end}"
    return None
