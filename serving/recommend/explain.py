"""Why an item is on a list: what of the user's history it is like, and what of it speaks for it.

The score of the towers is an inner product, and what the item tower makes of an item is made of parts: its text, its
picture, its side features, and what users did with it (its id embedding). How much each part adds is its Shapley
value (Shapley 1953): the tower is run with every combination of the three parts that can be missing. The values add
up to the score; where the tower is a sum, they are the parts' own inner products with the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import factorial

import numpy as np

from bundle.graph import Graph
from catalog.records import Floats, Ints
from index.protocol import distinct
from serving.catalogue import Rows
from serving.recommend.ranker import Viewer
from serving.recommend.rerank import unit

PARTS = ("text", "image", "behaviour", "features")
REMOVABLE = 3
"""Of these, the first: side features are always there."""
NEAREST = 3
"""Items of the history that are named."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why n items are there."""

    rows: Ints
    """[n, NEAREST] the most similar items of the history, best first, -1 where there are fewer."""
    cosines: Floats
    """[n, NEAREST]"""
    shares: Floats | None
    """[n, len(PARTS)] of what speaks for an item, 0 … 1; None where the bundle has no content vectors."""


def reasons(item_tower: Graph, viewer: Viewer, rows: Ints) -> Reasons:
    """The reasons for some rows on a user's list."""
    items = viewer.items
    near, cosines = nearest(items.vectors, rows, viewer.history.rows)
    if items.content is None or viewer.failed:
        return Reasons(near, cosines, None)
    return Reasons(near, cosines, shares(contributions(item_tower, items, rows, viewer.vector)))


def nearest(vectors: Floats, rows: Ints, history: Ints, k: int = NEAREST) -> tuple[Ints, Floats]:
    """Per row the k most similar items of a history, and the cosines; of equals the latest comes first."""
    near, found = np.full((len(rows), k), -1, np.int64), np.zeros((len(rows), k), np.float32)
    if len(history) and len(rows):
        once = distinct(history[::-1])  # the latest first
        cosines = unit(vectors[rows]) @ unit(vectors[once]).T
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        near[:, : order.shape[1]] = once[order]
        found[:, : order.shape[1]] = np.take_along_axis(cosines, order, axis=1)
    return near, found


def contributions(item_tower: Graph, items: Rows, rows: Ints, user: Floats) -> Floats:
    """What each part adds to the inner products `[n]` of rows with a user vector: `[n, len(PARTS)]`.

    Args:
        item_tower: of the bundle.
        items: with content vectors.
        rows: `[n]`
        user: `[D]`
    """
    present = list(product((0.0, 1.0), repeat=REMOVABLE))
    scores = {one: vectors_of_parts(item_tower, items, rows, one) @ user for one in present}
    out = np.zeros((len(rows), len(PARTS)), np.float32)
    for part in range(REMOVABLE):
        for one in present:
            if not one[part]:
                others = int(sum(one))
                weight = factorial(others) * factorial(REMOVABLE - 1 - others) / factorial(REMOVABLE)
                out[:, part] += weight * (scores[*one[:part], 1.0, *one[part + 1 :]] - scores[one])
    out[:, REMOVABLE] = scores[present[0]]
    return out


def vectors_of_parts(item_tower: Graph, items: Rows, rows: Ints, present: Sequence[float]) -> Floats:
    """Vectors `[n, D]` that rows would have without some of their parts.

    `present` is 1 or 0 for text, picture, and behaviour, which is the row's id embedding.
    """
    text, image, behaviour = present
    content, columns = items.content, items.columns
    assert content is not None, "there are content vectors"
    return item_tower.run({
        "item_row": columns.embedding_rows[rows] * np.int32(behaviour),
        "item_tokens": columns.tokens[rows], "item_numeric": columns.numeric[rows],
        "text": content.text[rows], "image": content.image[rows],
        "content_mask": content.mask[rows] * np.array([text, image], np.float32),
    })["item_vector"]  # fmt: skip


def shares(added: Floats) -> Floats:
    """Of all that speaks for each item, the share of each part; what speaks against it has none."""
    positive = np.maximum(added, 0)
    total = positive.sum(axis=1, keepdims=True)
    shared: Floats = np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)
    return shared
