"""What storefronts show of items: the page of the bundle, and text and picture from the record.

The bundle keeps of an item what native answers show; whole texts and the addresses of pictures are in MongoDB and are
read in one go. While it does not answer, pages are shown without them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from catalog.errors import StoreError
from catalog.records import FeatureValue, Ints
from catalog.schema import DatasetSchema
from catalog.store import Told
from serving.catalogue import Catalogue
from serving.live.state import GuardedStore

log = logging.getLogger(__name__)
_NOTHING = Told("", None)


@dataclass(frozen=True, slots=True)
class Page:
    """One item as a storefront shows it."""

    item_id: str
    title: str
    text: str
    image: str | None
    """Where the picture is: an address elsewhere, or a path of this service; None where there is none."""
    features: Mapping[str, FeatureValue]

    def number(self, *names: str) -> float | None:
        """The first of some features that is a number."""
        for name in names:
            value = self.features.get(name)
            if isinstance(value, int | float):
                return value
        return None

    def word(self, name: str) -> str:
        """A feature as one word: of several the first; empty where it has none."""
        value = self.features.get(name)
        if isinstance(value, list | tuple):
            value = value[0] if value else None
        return value if isinstance(value, str) else ""


async def pages(store: GuardedStore, catalogue: Catalogue, rows: Ints) -> list[Page]:
    """The pages of some rows, in their order."""
    names = [catalogue.ids[row] for row in rows.tolist()]
    told: Mapping[str, Told] = {}
    try:
        told = await store.told(names)
    except StoreError as exc:
        log.warning("showing items without their records: %s", exc)
    shown = []
    for name, row in zip(names, rows.tolist(), strict=True):
        features = catalogue.shown(row)
        title, pictured = features.pop("title", ""), features.pop("image", False)
        record = told.get(name, _NOTHING)
        image = record.address or (f"/v1/items/{quote(name, safe='')}/image" if pictured else None)
        shown.append(Page(name, str(title), record.text, image, features))
    return shown


def category(page: Page, schema: DatasetSchema, name: str) -> str:
    """The feature of a name, else what the data set means by category; empty where an item has neither."""
    return page.word(name) or (page.word(schema.category) if schema.category is not None else "")
