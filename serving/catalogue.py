"""The items that a model answers with, one row each: the bundle's, and after them those that came since.

An item keeps its row for as long as the model lives, so everything that the bundle says about rows stays true:
neighbours, categories, popularity, histories. What is known of a row is replaced when the item changes.

`Catalogue` belongs to one event loop and is written between two turns of it. After every write it shows another
`Rows`: whoever computes takes that reference once and sees one version of everything. Until the first write the
arrays are the bundle's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bundle.reader import Bundle, Content, Places
from bundle.room import Column
from bundle.tabular import Texts
from bundle.writer import metadata
from catalog.records import FeatureValue, Floats, Ints, Item, ItemId
from index.faiss_index import FaissIndex
from index.live import LiveIndex
from index.protocol import Mask, VectorIndex
from index.words import Counts, LiveWords, WordIndex, words_of, write_words
from serving.names import Names, Pages
from serving.recommend.resemblance import Resemblance
from towers.cross import TABLES, Int32s, ItemColumns
from towers.features import FeatureSpace

BLANK: Mapping[str, float] = {f"{table}_rows": -1 for table in TABLES}
"""What a new item has in the columns that only training fills; 0 in the others."""
TEXTS = {f"text_{part.name}": part.name for part in fields(Texts)}
"""Columns of what a tabular ranker reads of texts."""


@dataclass(frozen=True, slots=True)
class Rows:
    """All items at one moment, one row each, n of them."""

    columns: ItemColumns
    vectors: Floats
    """[n, D]"""
    lengths: Floats
    """[n] of the vectors."""
    content: Content | None
    places: Places | None
    """None: by the bare cosine."""
    texts: Texts | None
    """What a tabular ranker reads of texts; None where the ranker is another one."""
    available: Mask
    categories: Mapping[str, Ints]
    """Rows per category value."""
    index: VectorIndex
    bundled: int
    """Rows of the bundle; those from here on came later."""

    def __len__(self) -> int:
        return len(self.available)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Items, new or changed, with all that a row needs: n of them."""

    items: Sequence[Item]
    tokens: Int32s
    numeric: Floats
    content: Content
    places: Floats
    """[n, 2] lengths of text and picture in the spaces in which they are compared."""
    vectors: Floats
    alike_rows: Int32s
    alike_weights: Floats
    words: Sequence[Counts]
    texts: Texts | None


class Catalogue:
    """All items by id and by row, and how they change."""

    def __init__(self, bundle: Bundle, space: FeatureSpace) -> None:
        """Begin with the items of a bundle.

        Raises:
            BundleError: the index does not fit the vectors.
        """
        self.ids = Names(bundle.items)
        self.metadata = Pages(bundle.metadata)
        self.index = LiveIndex(FaissIndex.load(bundle.path / "index.faiss", bundle.vectors))
        self.now = Rows(
            ItemColumns(
                bundle.tokens, bundle.numeric, bundle.embedding_rows, bundle.popularity,
                bundle.item_item_rows, bundle.item_item_weights, bundle.successor_rows, bundle.successor_weights,
                bundle.alike_rows, bundle.alike_weights,
            ),
            bundle.vectors, np.linalg.norm(bundle.vectors, axis=1), bundle.content, bundle.places,
            None if bundle.tabular is None else bundle.tabular.facts.texts,
            bundle.available, bundle.categories, self.index.now, len(bundle.items),
        )  # fmt: skip
        """The items as they are at this moment."""
        self.written = 0
        """How many writes there were; who keeps something by row remembers it, and asks what `changed` since."""
        self._written: dict[int, int] = {}
        """By row the last write, in their order."""
        self._bundle = bundle
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
        known = np.where(rows < self.now.bundled, rows, -1)
        embedding_rows = np.where(known >= 0, self.now.columns.embedding_rows[known], 0)
        feeds = {
            "item_row": embedding_rows.astype(np.int32), "item_tokens": tokens, "item_numeric": numeric,
            "text": content.text, "image": content.image, "content_mask": content.mask.astype(np.float32),
        }  # fmt: skip
        vectors = self._bundle.item_tower.run(feeds)["item_vector"]
        if not np.isfinite(vectors).all():
            raise ValueError("the item tower answered numbers that are not finite")
        words = [words_of(item) for item in items]
        alike = self._resemblance.near(content, known)
        texts = None if self._bundle.tabular is None else self._bundle.tabular.texts_of(items)
        return Arrivals(items, tokens, numeric, content, self._places(content), vectors, *alike, words, texts)

    def put(self, arrivals: Arrivals) -> Ints:
        """Add the items, or replace what is known of them; returns their rows `[n]`."""
        grown, categories = self._grown or self._grow(), dict(self.now.categories)
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
                "mask": arrivals.content.mask[i], "places": arrivals.places[i], "alike_rows": arrivals.alike_rows[i],
                "alike_weights": arrivals.alike_weights[i],
            }  # fmt: skip
            if arrivals.texts is not None:
                values |= {name: getattr(arrivals.texts, part)[i] for name, part in TEXTS.items()}
            for name, column in grown.items():
                if name in values or new:
                    column.put(row, values.get(name, BLANK.get(name, 0)))
            self._categorise(row, None if new else self.shown(row), item, categories)
            self.metadata.put(row, metadata(item))
            self.words.put(row, arrivals.words[i])
        self.index.put(rows, arrivals.vectors)
        for row in rows.tolist():
            self.written += 1
            self._written.pop(row, None)
            self._written[row] = self.written
        self._show(grown, categories)
        return rows

    def changed(self, since: int) -> list[int]:
        """Rows that were put since there had been so many writes, each once, the last first."""
        return [row for row, _ in takewhile(lambda one: one[1] > since, reversed(self._written.items()))]

    def hide(self, item_id: str) -> None:
        """Let an item not be recommended, found or named as similar any more; one that is not known is none."""
        row = self.ids.row(item_id)
        if row >= 0:
            grown = self._grown or self._grow()
            grown["available"].put(row, False)
            self._show(grown, self.now.categories)

    @cached_property
    def words(self) -> LiveWords:
        """Finds items by word; of bundles without an index of words, by those of titles and features."""
        if self._bundle.words is not None:
            return LiveWords(WordIndex.open(self._bundle.words))
        pages = (self.shown(row) for row in range(self.now.bundled))
        with TemporaryDirectory() as folder:  # what is mapped outlives it
            write_words(Path(folder), (words_of(_of_page(page)) for page in pages))
            return LiveWords(WordIndex.open(Path(folder)))

    def _places(self, content: Content) -> Floats:
        if self._bundle.places is None:
            return np.zeros((len(content.mask), 2), np.float32)
        text, image = self._bundle.places.spaces
        return np.stack([text.lengths(content.text), image.lengths(content.image)], axis=1)

    @cached_property
    def _resemblance(self) -> Resemblance:
        """Compares with the items of the bundle; none where it has no content vectors."""
        content, keep = self._bundle.content, self._bundle.alike_rows.shape[1]
        if content is None:
            dims = self._bundle.manifest.dims
            text, image = (np.zeros((0, dim), np.float32) for dim in (dims.text, dims.image))
            content = Content(text, image, np.zeros((0, 2), bool))
        return Resemblance(content, keep)

    def _categorise(
        self, row: int, before: Mapping[str, FeatureValue] | None, item: Item, categories: dict[str, Ints]
    ) -> None:
        if self._category is None:
            return
        left = _members(before.get(self._category)) if before else frozenset()
        entered = _members(item.features.get(self._category))
        for name in left - entered:
            categories[name] = categories[name][categories[name] != row]
        for name in entered - left:
            categories[name] = np.append(categories.get(name, np.zeros(0, np.int64)), row)

    def _grow(self) -> dict[str, Column]:
        """Columns that can be written to, over the bundle's."""
        now = self.now
        arrays: dict[str, NDArray[Any]] = {
            field.name: getattr(now.columns, field.name) for field in fields(ItemColumns)
        }
        arrays |= {"vectors": now.vectors, "lengths": now.lengths, "available": now.available}
        if now.content is not None:
            arrays |= {field.name: getattr(now.content, field.name) for field in fields(Content)}
        if now.places is not None:
            arrays["places"] = now.places.lengths
        if now.texts is not None:
            arrays |= {name: getattr(now.texts, part) for name, part in TEXTS.items()}
        self._grown = {name: Column(array) for name, array in arrays.items()}
        return self._grown

    def _show(self, grown: Mapping[str, Column], categories: Mapping[str, Ints]) -> None:
        """Let all see the columns as they are."""
        columns = ItemColumns(**{field.name: grown[field.name].rows for field in fields(ItemColumns)})
        content = self.now.content
        if content is not None:
            content = Content(**{field.name: grown[field.name].rows for field in fields(Content)})
        places = self.now.places
        if places is not None:
            places = replace(places, lengths=grown["places"].rows)
        texts = self.now.texts
        if texts is not None:
            texts = Texts(**{part: grown[name].rows for name, part in TEXTS.items()})
        self.now = Rows(
            columns, grown["vectors"].rows, grown["lengths"].rows, content, places, texts,
            grown["available"].rows, categories, self.index.now, self.now.bundled,
        )  # fmt: skip


def _members(value: object) -> frozenset[str]:
    """The categories that a feature value names, as `bundle.writer.categories` reads it."""
    if value is None:
        return frozenset()
    return frozenset(value) if isinstance(value, tuple | list) else frozenset((str(value),))


def _of_page(page: Mapping[str, Any]) -> Item:
    """As much of an item as an answer shows."""
    features = {name: tuple(value) if isinstance(value, list) else value for name, value in page.items()}
    return Item(ItemId(""), str(features.pop("title", "")), features=features)
