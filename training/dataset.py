"""Everything a training run reads, in memory and in rows: records, events, content vectors.

Built from the stores once; protocols that train on part of the events make another one with `with_log`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from catalog.errors import NotReadyError
from catalog.records import Floats, IdMap, InteractionLog, Item, User
from catalog.schema import DatasetSchema
from catalog.store import CatalogStore
from embeddings.job import content_vectors
from embeddings.store import EmbeddingStore


@dataclass(frozen=True, slots=True)
class Content:
    """Content vectors of all items, and which encoders made them."""

    text: Floats
    """`[items, dim]`; zeros, one column wide, where the modality is masked."""
    image: Floats
    mask: Floats
    """`[items, 2]`: 1 where there is a text, a picture."""
    text_encoder: str | None = None
    image_encoder: str | None = None

    @classmethod
    def none(cls, items: int) -> Content:
        """No text and no pictures."""
        empty = np.zeros((items, 1), np.float32)
        return cls(empty, empty, np.zeros((items, 2), np.float32))


@dataclass(frozen=True, slots=True)
class TrainingData:
    """One data set, ready to be split and learned from."""

    schema: DatasetSchema
    items: tuple[Item, ...]
    users: tuple[User, ...]
    item_ids: IdMap
    user_ids: IdMap
    log: InteractionLog
    content: Content
    as_of: float
    """When the items were read, in seconds since the epoch: serving hears of all that changed since."""

    @classmethod
    def load(cls, store: CatalogStore, embeddings: EmbeddingStore) -> TrainingData:
        """Read a data set that was imported and embedded.

        Raises:
            NotReadyError: nothing was imported, or there are no items, users or interactions.
        """
        as_of = time.time()
        schema = store.load_schema()
        if schema is None:
            raise NotReadyError(
                "expected an imported data set in MongoDB, found none; run `towerbridge import DATASET` first"
            )
        items, users = tuple(store.items()), tuple(store.users())
        item_ids, user_ids = IdMap.of(i.item_id for i in items), IdMap.of(u.user_id for u in users)
        log = store.log(user_ids, item_ids, schema)
        if not len(log):
            raise NotReadyError(
                f"expected items, users and interactions in {schema.name}, found {len(items)} items, "
                f"{len(users)} users and {len(log)} interactions between them; import them first"
            )
        content = load_content(embeddings, items)
        return cls(schema, items, users, item_ids, user_ids, log, content, as_of)

    def with_log(self, log: InteractionLog) -> TrainingData:
        """The same catalogue and users, other events."""
        return replace(self, log=log)

    def with_items(self, ids: Sequence[str]) -> TrainingData:
        """The same with some of the items, in an order of their own, and with the events on them.

        Raises:
            KeyError: an id that is not there.
        """
        chosen = self.item_ids.rows(ids)
        if len(chosen) and chosen.min() < 0:
            raise KeyError(ids[int(np.argmin(chosen))])
        place = np.full(len(self.items), -1)
        place[chosen] = np.arange(len(chosen))
        there = place[self.log.item_rows] >= 0
        log = self.log.take(there)
        content = replace(
            self.content, text=self.content.text[chosen], image=self.content.image[chosen],
            mask=self.content.mask[chosen],
        )  # fmt: skip
        return replace(
            self, items=tuple(self.items[row] for row in chosen.tolist()), item_ids=IdMap.of(ids),
            log=replace(log, item_rows=place[log.item_rows]), content=content,
        )  # fmt: skip

    def targets(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """`[events]`: which events a model is asked to predict.

        Those whose type says liking or wanting, at the user's first event with the item: what has been
        seen is not recommended again, so it cannot be asked for either.
        """
        kinds = self.schema.interactions.values()
        wanted = np.array([False, *(kind.polarity == "positive" for kind in kinds)])
        pair = self.log.user_rows * len(self.items) + self.log.item_rows
        first = np.zeros(len(self.log), bool)
        first[np.unique(pair, return_index=True)[1]] = True
        targets: np.ndarray[tuple[int], np.dtype[np.bool_]] = wanted[self.log.types] & first
        return targets


def load_content(store: EmbeddingStore, items: tuple[Item, ...]) -> Content:
    """Content vectors of items by the encoders that the embedding job used last."""
    text, image = content_vectors(items, "text", store), content_vectors(items, "image", store)
    mask = np.stack([text.mask, image.mask], axis=1).astype(np.float32)
    return Content(_widened(text.vectors), _widened(image.vectors), mask, text.encoder, image.encoder)


def _widened(vectors: Floats) -> Floats:
    """The vectors, or one column of zeros where the modality is masked: graphs have no empty inputs."""
    return vectors if vectors.shape[1] else np.zeros((len(vectors), 1), np.float32)
