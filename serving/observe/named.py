"""An item as the control room names it."""

from __future__ import annotations

from typing import Any

from serving.model import Model


def named(model: Model, row: int) -> dict[str, Any]:
    """Id and title of a row, and whether it has a picture that can be asked for."""
    known = model.catalogue.shown(row)
    return {
        "item_id": model.catalogue.ids[row], "title": str(known.get("title", "")),
        "image": bool(known.get("image")),
    }  # fmt: skip
