"""The first stage while training: fitted towers, the item columns that go with them, exact search.

One is fitted on all but the last training events, for the ranker to learn from its mistakes; another on all
of them, to be shipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.records import Candidates, Floats, Ints
from index.protocol import best
from towers.cross import ItemColumns
from towers.features import FeatureSpace
from towers.item_tower import ItemSizes
from towers.retrieval import RetrievalModel
from towers.user_tower import UserSizes
from training.config import TrainConfig
from training.course import Course
from training.dataset import TrainingData
from training.fit import Fitted, fit
from training.metrics import ndcg
from training.neighbours import alike, item_item, successors
from training.split import Split
from training.windows import UserColumns, Windows, history_batch

CHUNK = 512


@dataclass(frozen=True, slots=True)
class Retriever:
    """Towers fitted on the training part of a split."""

    data: TrainingData
    space: FeatureSpace
    split: Split
    model: RetrievalModel
    users: UserColumns
    columns: ItemColumns
    vectors: Floats
    """`[items, embedding_size]`"""
    fitted: Fitted

    def user_vectors(self, users: Ints, ends: Ints) -> Floats:
        """Vectors `[n, embedding_size]` of users as they were before the events at positions `ends`."""
        return user_vectors(
            self.model, self.space, self.data, self.users, self.split, self.vectors, users, ends
        )

    def candidates(self, users: Ints, ends: Ints, count: int) -> list[Candidates]:
        """The best `count` unseen items of each user before the events at positions `ends`."""
        found: list[Candidates] = []
        for at in range(0, len(users), CHUNK):
            some, upto = users[at : at + CHUNK], ends[at : at + CHUNK]
            found += self.nearest(self.user_vectors(some, upto), some, upto, count)
        return found

    def nearest(self, vectors: Floats, users: Ints, ends: Ints, count: int) -> list[Candidates]:
        """The same where the users' vectors `[n, embedding_size]` are at hand; all n at once."""
        scores = vectors @ self.vectors.T
        hide_seen(self.data, self.split, scores, users, ends)
        found = []
        for row in scores:
            unseen = np.flatnonzero(np.isfinite(row))
            found.append(best(unseen, row[unseen], count))
        return found


def fit_retriever(
    data: TrainingData, space: FeatureSpace, split: Split, config: TrainConfig, label: str, course: Course
) -> Retriever:
    """Train both towers on the training part of a split, choosing the epoch on its validation events."""
    model, windows, users, columns = untrained(data, space, split, config)
    rng = np.random.default_rng(config.seed)
    chosen = validation_users(split, config, rng)

    def validate() -> float:
        vectors = model.item_vectors()
        ends = split.validation[chosen]
        ranks = []
        for at in range(0, len(chosen), CHUNK):
            some, upto = chosen[at : at + CHUNK], ends[at : at + CHUNK]
            scores = user_vectors(model, space, data, users, split, vectors, some, upto) @ vectors.T
            ranks.append(target_ranks(data, split, scores, some, upto))
        return ndcg(np.concatenate(ranks), 10) if ranks else 0.0

    fitted = fit(
        model, label=label, batches=lambda: windows.epoch(config.batch_size, rng), rng=rng,
        steps=windows.steps(config.batch_size), examples=windows.examples, validate=validate,
        epochs=config.epochs, learning_rate=config.learning_rate, patience=config.patience,
        validate_every=config.validate_every, course=course,
        weight=lambda batch: float(batch["target_weights"].sum()),
    )  # fmt: skip
    return Retriever(data, space, split, model, users, columns, model.item_vectors(), fitted)


def untrained(
    data: TrainingData, space: FeatureSpace, split: Split, config: TrainConfig
) -> tuple[RetrievalModel, Windows, UserColumns, ItemColumns]:
    """Both towers before their first step, the windows they learn from, and what they read of users and items."""
    log = data.log
    learned = split.training(log)
    trained = np.bincount(log.user_rows[learned], minlength=len(data.users)) >= config.user_id_events
    columns = item_columns(data, space, learned, config)
    users = UserColumns.of(space, data, trained)
    windows = Windows(data, split, space, users, config)
    model = RetrievalModel(
        config.towers,
        ItemSizes(
            len(data.items) + 1, space.item_tokens, data.content.text.shape[1], data.content.image.shape[1]
        ),
        UserSizes(users.ids, space.user_tokens, space.types, space.history, unknown_user(space)),
        item_inputs(data, columns),
        target_share(data, learned),
    )
    return model, windows, users, columns


def item_columns(
    data: TrainingData, space: FeatureSpace, learned: NDArray[np.bool_], config: TrainConfig
) -> ItemColumns:
    """What training events say of the items, and what the items say themselves."""
    log, count = data.log, len(data.items)
    tokens, numeric = space.item_inputs(data.items)
    popularity = np.bincount(log.item_rows[learned], minlength=count).astype(np.float32)
    embedding_rows = np.where(popularity > 0, np.arange(1, count + 1), 0).astype(np.int32)
    together = item_item(
        log.user_rows[learned], log.item_rows[learned], (len(data.users), count),
        config.neighbours, config.neighbours_reg,
    )  # fmt: skip
    after = successors(log, learned, count, config.neighbours // 2)
    like = alike(data.content, config.neighbours // 4)
    return ItemColumns(tokens, numeric, embedding_rows, popularity, *together, *after, *like)


def item_inputs(data: TrainingData, columns: ItemColumns) -> dict[str, np.ndarray]:
    """The item tower's inputs for the whole catalogue."""
    return {
        "item_row": columns.embedding_rows,
        "item_tokens": columns.tokens,
        "item_numeric": columns.numeric,
        "text": data.content.text,
        "image": data.content.image,
        "content_mask": data.content.mask,
    }


def unknown_user(space: FeatureSpace) -> tuple[int, ...]:
    """The side feature tokens of a stranger."""
    return tuple(space.user_inputs(None, 0)["user_tokens"][0].tolist())


def target_share(data: TrainingData, learned: np.ndarray) -> Floats:
    """`[items]` share of the training targets that are the item: the chance to be drawn into a batch."""
    asked = data.targets() & learned
    counts = np.bincount(data.log.item_rows[asked], minlength=len(data.items))
    share: Floats = (counts / max(1, counts.sum())).astype(np.float32)
    return share


def validation_users(split: Split, config: TrainConfig, rng: np.random.Generator) -> Ints:
    """Users to validate on: all that have a validation event, or a sample of them."""
    users = np.flatnonzero(split.validation >= 0)
    if len(users) > config.validation_users:
        users = np.sort(rng.choice(users, config.validation_users, replace=False))
    return users


def user_vectors(
    model: RetrievalModel, space: FeatureSpace, data: TrainingData, columns: UserColumns, split: Split,
    vectors: Floats, users: Ints, ends: Ints,
) -> Floats:  # fmt: skip
    """Vectors of users as they were before the events at positions `ends`."""
    ranges = list(zip(split.begin[users].tolist(), ends.tolist(), strict=True))
    inputs = {"user_row": columns.row[users], "user_tokens": columns.tokens[users]}
    return model.user_vectors({**inputs, **history_batch(space, data, vectors, ranges)})


def hide_seen(data: TrainingData, split: Split, scores: Floats, users: Ints, ends: Ints) -> None:
    """Set the scores `[n, items]` of what each user had seen before the events at `ends` to -inf, in place."""
    for row, user, end in zip(scores, users, ends, strict=True):
        row[data.log.item_rows[split.begin[user] : end]] = -np.inf


def target_ranks(data: TrainingData, split: Split, scores: Floats, users: Ints, ends: Ints) -> Ints:
    """Ranks `[n]` of the items of the events at `ends` among all that each user has not seen before."""
    targets = data.log.item_rows[ends]
    own = scores[np.arange(len(scores)), targets]
    hide_seen(data, split, scores, users, ends)
    ranks: Ints = (scores > own[:, None]).sum(1)
    return ranks
