"""What relates one user's recent behaviour to each candidate: the cross features that the ranker reads.

Training and serving call the same functions, as with `towers.features`; numpy only. Most features are heard from
tables of neighbours: each item of the recent history says something about the items near it, the latest item
loudest. It knows nothing of networks, stores or HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from catalog.errors import BundleError
from catalog.records import Candidates, Floats, History, Ints
from towers.features import FeatureSpace

Int32s = NDArray[np.int32]
Table = Literal["neighbour", "successor", "alike"]
TABLES: tuple[Table, ...] = get_args(Table)

RECENT = 20
"""Events that the affinities look back on."""
DECAY = 5.0
"""Events after which the weight of an event in the affinities has fallen to 1/e."""


@dataclass(frozen=True, slots=True)
class NeighbourFeature:
    """What is heard of all items from one table of neighbours over one horizon."""

    table: Table
    decay: float
    """Events after which the weight of an event has fallen to 1/e; infinite where all weigh the same."""
    events: int
    """Events that are looked back on."""


NEIGHBOUR_FEATURES = {
    "covisitation_last": NeighbourFeature("neighbour", 1.0, 5),
    "covisitation": NeighbourFeature("neighbour", DECAY, RECENT),
    "covisitation_long": NeighbourFeature("neighbour", np.inf, 1_000),
    "succession_last": NeighbourFeature("successor", 1.0, 5),
    "succession": NeighbourFeature("successor", DECAY, RECENT),
    "content": NeighbourFeature("alike", DECAY, RECENT),
}
"""By the names that they have as cross features."""
HEARD = tuple(NEIGHBOUR_FEATURES)
CROSS = ("similarity", *HEARD, "affinity", "liked_affinity", "popularity", "activity")
"""The cross features that rankers are trained on, in order."""


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """What is known of all items, one row each; memory-mapped from a bundle in serving."""

    tokens: Int32s
    """[n, slots]"""
    numeric: Floats
    """[n, max(1, numeric features)], standardised, 0 where missing."""
    embedding_rows: Int32s
    """[n] row of the id embedding, 0 for items that training never saw."""
    popularity: Floats
    """[n] events in training."""
    neighbour_rows: Int32s
    """[n, m] co-visited items, -1 where there are fewer."""
    neighbour_weights: Floats
    """[n, m] what having the item says about each of them."""
    successor_rows: Int32s
    """[n, s] items taken soon after it, -1 where there are fewer; s is 0 in bundles without."""
    successor_weights: Floats
    """[n, s] how likely each comes soon after it."""
    alike_rows: Int32s
    """[n, a] items of like text and picture, -1 where there are fewer; a is 0 in bundles without."""
    alike_weights: Floats
    """[n, a] how like each is."""

    def table(self, name: Table) -> tuple[Int32s, Floats]:
        """Rows and weights of a table of neighbours."""
        return getattr(self, f"{name}_rows"), getattr(self, f"{name}_weights")


def cross_features(
    space: FeatureSpace, found: Candidates, history: History, items: ItemColumns, said: Floats | None = None
) -> Floats:
    """The cross features that a feature space names: `[n, len(space.cross_features)]`.

    similarity: the two towers' inner product, as retrieved. Those of `NEIGHBOUR_FEATURES`: what the recent
    items say about each candidate, through items that the same users took (covisitation), that were taken soon
    after (succession) or that read and look alike (content). affinity, liked_affinity: how often the candidate's
    tokens occur among the recent items, as they come or weighted by how they were valued, over the number of
    token columns. popularity and activity are log counts.

    Args:
        space: names the features.
        found: the candidates.
        history: one user's events, oldest first.
        items: the catalogue.
        said: `heard(history, items)`, where the caller has it already.

    Raises:
        BundleError: the space names a feature that is not known here.
    """
    rows = found.rows
    columns: dict[str, Floats | float] = dict.fromkeys(CROSS, 0.0)
    columns["similarity"] = found.scores
    columns["popularity"] = np.log1p(items.popularity.take(rows))
    columns["activity"] = float(np.log1p(len(history)))
    if len(history) and len(found):
        said = heard(history, items) if said is None else said
        columns |= zip(HEARD, said.take(rows, 1), strict=True)
        columns |= zip(("affinity", "liked_affinity"), affinities(space, rows, history, items), strict=True)
    out = np.empty((len(found), len(space.cross_features)), np.float32)
    for at, name in enumerate(space.cross_features):
        if name not in columns:
            raise BundleError(
                f"expected cross features among {', '.join(CROSS)}, found {name!r} in features.json; "
                "the bundle is of a later version of the project"
            )
        out[:, at] = columns[name]
    return out


def affinities(space: FeatureSpace, rows: Ints, history: History, items: ItemColumns) -> list[Floats]:
    """How much of the recent items' tokens each row shares: counted, and weighted by value."""
    recent = history.last(RECENT)
    weights = recency(len(recent), DECAY)
    valued = weights * space.scaled_values(recent.types, recent.values)
    slots = items.tokens.shape[1]
    seen = items.tokens[recent.rows].reshape(-1)
    tokens = items.tokens.take(rows, 0)
    ones = np.full(slots, 1.0 / (slots * weights.sum()), np.float32)
    shared: list[Floats] = []
    for each in (weights, valued):
        profile = np.bincount(seen, np.repeat(each, slots), space.item_tokens).astype(np.float32)
        profile[0] = 0.0
        shared.append(profile.take(tokens) @ ones)
    return shared


@lru_cache(1024)
def recency(count: int, decay: float) -> Floats:
    """Weights `[count]` of the latest events, oldest first: 1 for the last, 1/e for `decay` events before it.

    All are 1 where the decay is infinite.

    Made once for each length and decay, so they are not to be written to.
    """
    weights: Floats = np.exp(-np.arange(count - 1, -1, -1, dtype=np.float32) / np.float32(decay))
    weights.flags.writeable = False
    return weights


def heard(history: History, items: ItemColumns) -> Floats:
    """What the recent items say about all items, the latest loudest: `[len(HEARD), items]`."""
    said = np.zeros((len(HEARD), len(items.popularity)), np.float32)
    for table in TABLES:
        listen(said, table, history, items)
    return said


def listen(said: Floats, table: Table, history: History, items: ItemColumns) -> None:
    """Fill in, in place, what is heard from one table; zeros stay where nothing is said.

    Args:
        said: `[len(HEARD), items]`.
        table: whose features are filled in.
        history: one user's events, oldest first.
        items: the catalogue.
    """
    rows, weights = items.table(table)
    width, count = rows.shape[1], said.shape[1]
    features = [(at, one) for at, one in enumerate(NEIGHBOUR_FEATURES.values()) if one.table == table]
    recent = history.last(max(one.events for _, one in features)).rows
    if not width or not len(recent):
        return
    # Gathered once for the furthest look back. Padding, -1, is counted in a place of its own that is left out.
    near = np.add(rows.take(recent, 0).ravel(), 1, dtype=np.intp)
    told = weights.take(recent, 0)
    for at, one in features:
        events = min(one.events, len(recent))
        loud = told[-events:]
        if np.isfinite(one.decay):
            loud = loud * recency(events, one.decay)[:, None]
        said[at] = np.bincount(near[-events * width :], loud.ravel(), count + 1)[1:]
