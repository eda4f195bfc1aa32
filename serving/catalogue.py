"""The items that a model answers with, one row each: the bundle's, and after them those that came since.

An item keeps its row for as long as the model lives, so everything that the bundle says about rows stays true:
neighbours, categories, popularity, histories. What is known of a row is replaced when the item changes.

It belongs to one event loop and is written between two turns of it. An answer is computed within one turn, so it
sees one version of everything. Until the first write the arrays are the bundle's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import orjson
from numpy.typing import NDArray

from bundle.columns import BytesColumn
from bundle.reader import Bundle, Content
from bundle.room import Column
from bundle.writer import metadata
from catalog.records import FeatureValue, Floats, IdMap, Ints, Item
from index.faiss_index import FaissIndex
from index.live import LiveIndex
from index.protocol import Mask
from serving.relatives import Relatives
from towers.cross import TABLES, Int32s, ItemColumns
from towers.features import FeatureSpace

BLANK: Mapping[str, float] = {f"{table}_rows": -1 for table in TABLES}
"""What a new item has in the columns that only training fills; 0 in the others."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Items, new or changed, with all that a row needs: n of them."""

    items: Sequence[Item]
    tokens: Int32s
    numeric: Floats
    content: Content
    vectors: Floats


class Names:
    """Ids and rows of all items; `IdMap` that grows."""

    def __init__(self, base: IdMap) -> None:
        self._base = base
        self._added: list[str] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._base.ids) + len(self._added)

    def __getitem__(self, row: int) -> str:
        ids = self._base.ids
        return ids[row] if row < len(ids) else self._added[row - len(ids)]

    def row(self, name: str) -> int:
        """The row of an id, or -1 where it is not known."""
        row = self._base.row(name)
        return row if row >= 0 else self._rows.get(name, -1)

    def rows(self, names: Sequence[str]) -> Ints:
        """Rows `[n]` of ids, -1 where one is not known."""
        rows = self._base.rows(names)
        if self._rows and (rows < 0).any():
            for place in np.flatnonzero(rows < 0).tolist():
                rows[place] = self._rows.get(names[place], -1)
        return rows

    def add(self, name: str) -> int:
        """Give a new id the next row."""
        row = self._rows[name] = len(self)
        self._added.append(name)
        return row


class Pages:
    """What an answer shows of each item, as JSON; a `BytesColumn` in which rows are replaced."""

    def __init__(self, base: BytesColumn) -> None:
        self._base = base
        self._changed: dict[int, bytes] = {}

    def __getitem__(self, row: int) -> bytes:
        changed = self._changed
        return changed[row] if row in changed else self._base[row]

    def put(self, row: int, page: bytes) -> None:
        """Replace or add a row."""
        self._changed[row] = page


class Catalogue:
    """Rows, columns, vectors and index of all items."""

    def __init__(self, bundle: Bundle, space: FeatureSpace) -> None:
        """Begin with the items of a bundle.

        Raises:
            BundleError: the index does not fit the vectors.
        """
        self.bundled = len(bundle.items)
        """Rows of the bundle; those from here on came later."""
        self.ids = Names(bundle.items)
        self.metadata = Pages(bundle.metadata)
        self.columns = ItemColumns(
            bundle.tokens, bundle.numeric, bundle.embedding_rows, bundle.popularity,
            bundle.item_item_rows, bundle.item_item_weights, bundle.successor_rows, bundle.successor_weights,
            bundle.alike_rows, bundle.alike_weights,
        )  # fmt: skip
        self.vectors = bundle.vectors
        self.lengths: Floats = np.linalg.norm(bundle.vectors, axis=1)
        self.content = bundle.content
        self.available: Mask = bundle.available
        self.categories: dict[str, Ints] = dict(bundle.categories)
        self.index = LiveIndex(FaissIndex.load(bundle.path / "index.faiss", bundle.vectors))
        self.relatives = Relatives(self.bundled)
        self.changed: list[int] = []
        """Rows in the order in which they were written, for those who keep something by row: read from where
        they stopped."""
        self._tower = bundle.item_tower
        self._space = space
        self._category = bundle.manifest.dataset_schema.category
        self._grown: dict[str, Column] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def shown(self, row: int) -> dict[str, FeatureValue]:
        """What an answer shows of an item: title, whether there is a picture, features."""
        page: dict[str, FeatureValue] = orjson.loads(self.metadata[row])
        return page

    def arrivals(self, items: Sequence[Item], content: Content) -> Arrivals:
        """Run the item tower over items; may take place in another thread.

        Args:
            items: n of them, of different ids.
            content: what the encoders made of them.
        """
        tokens, numeric = self._space.item_inputs(items)
        rows = self.ids.rows([item.item_id for item in items])
        known = np.where(rows < self.bundled, rows, -1)
        feeds = {
            "item_row": np.where(known >= 0, self.columns.embedding_rows[known], 0).astype(np.int32),
            "item_tokens": tokens, "item_numeric": numeric, "text": content.text, "image": content.image,
            "content_mask": content.mask.astype(np.float32),
        }  # fmt: skip
        vectors = self._tower.run(feeds)["item_vector"]
        if not np.isfinite(vectors).all():
            raise ValueError("the item tower answered numbers that are not finite")
        return Arrivals(items, tokens, numeric, content, vectors)

    def vectors_of_parts(self, rows: Ints, present: Sequence[float]) -> Floats:
        """Vectors `[n, D]` that rows would have without some of their parts.

        Args:
            rows: `[n]`
            present: 1 or 0 for text, picture, and behaviour, which is the row's id embedding.
        """
        text, image, behaviour = present
        assert self.content is not None, "the bundle has content vectors"
        return self._tower.run({
            "item_row": self.columns.embedding_rows[rows] * np.int32(behaviour),
            "item_tokens": self.columns.tokens[rows], "item_numeric": self.columns.numeric[rows],
            "text": self.content.text[rows], "image": self.content.image[rows],
            "content_mask": self.content.mask[rows] * np.array([text, image], np.float32),
        })["item_vector"]  # fmt: skip

    def put(self, arrivals: Arrivals) -> Ints:
        """Add the items, or replace what is known of them; returns their rows `[n]`."""
        grown = self._grown or self._grow()
        rows = np.empty(len(arrivals.items), np.int64)
        for i, item in enumerate(arrivals.items):
            row = self.ids.row(item.item_id)
            new = row < 0
            if new:
                row = self.ids.add(item.item_id)
            rows[i] = row
            values = {
                "tokens": arrivals.tokens[i], "numeric": arrivals.numeric[i], "vectors": arrivals.vectors[i],
                "lengths": np.linalg.norm(arrivals.vectors[i]), "available": item.available,
                "text": arrivals.content.text[i], "image": arrivals.content.image[i],
                "mask": arrivals.content.mask[i],
            }  # fmt: skip
            for name, column in grown.items():
                if name in values or new:
                    column.put(row, values.get(name, BLANK.get(name, 0)))
            self._categorise(row, None if new else self.shown(row), item)
            self.metadata.put(row, metadata(item))
        self._look_again(grown)
        self.index.put(rows, arrivals.vectors)
        for row in rows[rows >= self.bundled].tolist():
            self.relatives.put(row, self)
            grown["popularity"].put(row, self.relatives.popularity(row, self.columns.popularity))
        self.changed.extend(rows.tolist())
        return rows

    def hide(self, item_id: str) -> None:
        """Let an item not be recommended, found or named as similar any more; one that is not known is none."""
        row = self.ids.row(item_id)
        if row >= 0:
            grown = self._grown or self._grow()
            grown["available"].put(row, False)
            self._look_again(grown)

    def _categorise(self, row: int, before: Mapping[str, FeatureValue] | None, item: Item) -> None:
        if self._category is None:
            return
        left = _members(before.get(self._category)) if before else frozenset()
        entered = _members(item.features.get(self._category))
        for name in left - entered:
            self.categories[name] = self.categories[name][self.categories[name] != row]
        for name in entered - left:
            self.categories[name] = np.append(self.categories.get(name, np.zeros(0, np.int64)), row)

    def _grow(self) -> dict[str, Column]:
        """Columns that can be written to, over the bundle's."""
        arrays: dict[str, NDArray[np.generic]] = {
            field.name: getattr(self.columns, field.name) for field in fields(ItemColumns)
        }
        arrays |= {"vectors": self.vectors, "lengths": self.lengths, "available": self.available}
        if self.content is not None:
            arrays |= {field.name: getattr(self.content, field.name) for field in fields(Content)}
        self._grown = {name: Column(array) for name, array in arrays.items()}
        return self._grown

    def _look_again(self, grown: Mapping[str, Column]) -> None:
        """Let the arrays be the columns as long as they are now."""
        self.columns = ItemColumns(**{field.name: grown[field.name].rows for field in fields(ItemColumns)})
        self.vectors, self.lengths = grown["vectors"].rows, grown["lengths"].rows
        self.available = grown["available"].rows
        if self.content is not None:
            self.content = Content(**{field.name: grown[field.name].rows for field in fields(Content)})


def _members(value: object) -> frozenset[str]:
    """The categories that a feature value names, as `bundle.writer.categories` reads it."""
    if value is None:
        return frozenset()
    return frozenset(value) if isinstance(value, tuple | list) else frozenset((str(value),))
