"""What the order head learns from: what retrieval returned before an event that its towers had not seen.

Each example is a list: the item that came next and candidates that did not, drawn from the same pool that
serving will rank, the top of it more densely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from catalog.progress import Progress
from catalog.records import Candidates, Floats, History, Ints
from index.protocol import Mask
from towers.cross import NEIGHBOUR_FEATURES, cross_features
from training.config import TrainConfig
from training.retriever import CHUNK, Retriever
from training.windows import Batch

PAST = frozenset({"popularity", *(name for name, one in NEIGHBOUR_FEATURES.items() if one.table != "alike")})
"""Cross features that only past events tell of an item."""
TOP = 64
"""Candidates at the head of the pool from which half of each list is drawn."""


class Describe(Protocol):
    """Numbers that a ranker reads of one user's candidates before an event."""

    @property
    def names(self) -> Sequence[str]:
        """What they are called."""

    def known(self, found: Candidates, event: int) -> Candidates:
        """Those of the candidates that could be shown before the event at a position of the log."""

    def features(self, found: Candidates, history: History, event: int) -> Floats:
        """`[candidates, len(names)]` for the user of the event, of whom the history is known."""


class Crossed:
    """The cross features of `towers.cross`."""

    def __init__(self, retriever: Retriever) -> None:
        self._space, self._columns = retriever.space, retriever.columns
        self.names = retriever.space.cross_features

    def known(self, found: Candidates, event: int) -> Candidates:
        """All of them."""
        return found

    def features(self, found: Candidates, history: History, event: int) -> Floats:
        """What the history says about each candidate, whatever the moment."""
        return cross_features(self._space, found, history, self._columns)


@dataclass(frozen=True, slots=True)
class Lists:
    """Candidate lists with the position of the right one, 0 in training examples."""

    users: Ints
    """`[lists]` user rows."""
    rows: Ints
    """`[lists, size]` item rows; -1 = padding in validation lists."""
    cross: Floats
    """`[lists, size, features]`"""
    chosen: Ints
    """`[lists]` position of the item that came next, -1 where retrieval did not return it."""
    correction: Floats
    """`[lists, size]` log of how many candidates of the pool each one stands for."""

    def batch(self, retriever: Retriever, at: Ints) -> Batch:
        """Inputs of some lists for the order model."""
        rows = np.maximum(self.rows[at], 0)
        return {
            "user_tokens": retriever.users.tokens[self.users[at]],
            "item_tokens": retriever.columns.tokens[rows],
            "item_numeric": retriever.columns.numeric[rows],
            "cross": self.cross[at],
            "chosen": np.maximum(self.chosen[at], 0).astype(np.int32),
            "correction": self.correction[at],
        }


def training_lists(
    early: Retriever, until: Ints, describe: Describe, config: TrainConfig, rng: np.random.Generator,
    progress: Progress,
) -> Lists:  # fmt: skip
    """Lists for events between the end of the early retriever's training part and `until` `[users]`."""
    data, split = early.data, early.split
    asked = data.targets()
    spans = [np.arange(e, u) for e, u in zip(split.end, until, strict=True) if u > e]
    events = np.concatenate(spans) if spans else np.zeros(0, np.int64)
    events = events[asked[events]]
    if len(events) > config.order_examples:
        events = np.sort(rng.choice(events, config.order_examples, replace=False))
    users, rows, cross, correction = [], [], [], []
    size = min(config.list_size, len(data.items))
    unknown = early.model.item_vectors(known=False)
    # Tabular rankers count events as of each row: new items are among theirs as they were.
    forgotten = config.order_unknown if PAST.intersection(describe.names) else 0.0
    progress.start("lists for the ranker", len(events))
    for at in range(0, len(events), CHUNK):
        some = events[at : at + CHUNK]
        owners = data.log.user_rows[some]
        vectors = early.user_vectors(owners, some)
        found_by_user = early.nearest(vectors, owners, some, config.candidates)
        for event, user, vector, found in zip(some, owners, vectors, found_by_user, strict=True):
            known = describe.known(found, int(event))
            where = np.flatnonzero(known.rows == data.log.item_rows[event])
            if len(where) and len(known) >= size:
                picked, stands_for = pick(len(known), int(where[0]), size, rng)
                rows.append(known.rows[picked])
                new = rng.random(size) < forgotten
                scores = np.where(new, unknown[rows[-1]] @ vector, known.scores[picked])
                history = data.log.history(int(split.begin[user]), int(event))
                users.append(user)
                cross.append(describe.features(Candidates(rows[-1], scores), history, int(event)))
                forget(cross[-1], describe.names, new)
                correction.append(np.log(stands_for))
        progress.advance(len(some))
    features = np.array(cross, np.float32).reshape(len(users), size, len(describe.names))
    return Lists(
        np.array(users, np.int64),
        np.array(rows, np.int64).reshape(len(users), size),
        features,
        np.zeros(len(users), np.int64),
        np.array(correction, np.float32).reshape(len(users), size),
    )


def forget(features: Floats, names: Sequence[str], new: Mask) -> None:
    """Zero, in place, what only past events tell of an item, for some candidates `[n]` of `[n, len(names)]`.

    Without it the ranker learns that what nobody has taken is never right, and puts every new item last.
    """
    for at, name in enumerate(names):
        if name in PAST:
            features[new, at] = 0.0


def pick(pool: int, right: int, size: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """`size` different positions of a pool, the right one first, half of the others from its top.

    Also returns how many of the pool each position stands for, so that the softmax over the list estimates
    the one over the whole pool (importance sampling, Bengio & Senécal 2008).
    """
    others = np.delete(np.arange(pool), right)
    head, tail = others[:TOP], others[TOP:]
    near = min(len(head), max((size - 1) // 2, size - 1 - len(tail)))
    far = size - 1 - near
    positions = [
        np.array([right]),
        rng.choice(head, near, replace=False),
        rng.choice(tail, far, replace=False),
    ]
    weights = np.ones(size, np.float32)
    weights[1 : 1 + near] = len(head) / max(1, near)
    weights[1 + near :] = len(tail) / max(1, far)
    return np.concatenate(positions).astype(np.int64), weights


def validation_lists(retriever: Retriever, users: Ints, describe: Describe, count: int) -> Lists:
    """Whole pools before each user's validation event, in retrieval order, padded to one length."""
    data, split = retriever.data, retriever.split
    ends = split.validation[users]
    pools = retriever.candidates(users, ends, count)
    width = max((len(pool) for pool in pools), default=0)
    rows = np.full((len(users), width), -1, np.int64)
    chosen = np.full(len(users), -1, np.int64)
    cross: Floats | None = None
    for i, (user, end, pool) in enumerate(zip(users, ends, pools, strict=True)):
        rows[i, : len(pool)] = pool.rows
        where = np.flatnonzero(pool.rows == data.log.item_rows[end])
        chosen[i] = where[0] if len(where) else -1
        history = data.log.history(int(split.begin[user]), int(end))
        features = describe.features(pool, history, int(end))
        if cross is None:
            cross = np.zeros((len(users), width, features.shape[1]), np.float32)
        cross[i, : len(pool)] = features
    if cross is None:
        cross = np.zeros((0, 0, 0), np.float32)
    return Lists(users, rows, cross, chosen, np.zeros(rows.shape, np.float32))
