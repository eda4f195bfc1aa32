"""The tree of categories, read off the items: each bears its category and all above it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from catalog.records import Item


def tree(items: Sequence[Item], feature: str) -> dict[str, str]:
    """The category above each category that has one above it.

    Args:
        items: all items.
        feature: holds a category and all above it, itself first.
    """
    parents: dict[str, str] = {}
    for path in {value for item in items if isinstance(value := item.features.get(feature), tuple)}:
        parents.update(pairwise(path))
    return parents
