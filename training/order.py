"""Fits the order head, and decides whether it ships: only where it lifts validation over the retrieval order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from catalog.records import Ints
from towers.layers import tensors
from towers.order import OrderHead
from towers.ranker import OrderModel
from towers.rating import RankerSizes
from training.config import TrainConfig
from training.course import Course
from training.fit import Fitted, fit
from training.lists import Crossed, Lists, training_lists, validation_lists
from training.metrics import MISSED, summary
from training.retriever import Retriever, validation_users
from training.windows import Batch

CHUNK = 64


@dataclass(frozen=True, slots=True)
class Ordered:
    """A fitted order head and what it is worth."""

    head: OrderHead
    fitted: Fitted | None
    """None where there was nothing to learn from."""
    retrieval: dict[str, float]
    """Validation metrics of the retrieval order."""
    ranked: dict[str, float]
    """Validation metrics of the ranked order, over the same pools."""

    @property
    def lifts(self) -> bool:
        """Whether the ranked order is better."""
        return self.ranked["ndcg@10"] > self.retrieval["ndcg@10"]


def fit_order(early: Retriever, final: Retriever, config: TrainConfig, course: Course) -> Ordered:
    """Train on what the early retriever returned, validate on what the final one does."""
    rng = np.random.default_rng(config.seed + 1)
    examples = training_lists(early, final.split.end, Crossed(early), config, rng, course.progress)
    pools = validation_lists(
        final, validation_users(final.split, config, rng), Crossed(final), config.candidates
    )
    sizes = ranker_sizes(final)
    flat = (
        examples.cross.reshape(-1, sizes.cross)
        if len(examples.users)
        else np.zeros((1, sizes.cross), np.float32)
    )
    ranker = config.ranker
    head = OrderHead(
        sizes, flat.mean(0), flat.std(0), ranker.order_factors, ranker.order_crosses, ranker.order_hidden
    )
    model = OrderModel(head)
    retrieval = summary(np.where(pools.chosen >= 0, pools.chosen, MISSED))
    if not len(examples.users) or not len(pools.users):
        course.remark(
            "No user has enough interactions for an order to be learned from, so retrieval's is served."
        )
        return Ordered(head, None, retrieval, retrieval)

    def batches() -> Iterator[Batch]:
        order = rng.permutation(len(examples.users))
        for at in range(0, len(order), config.order_batch_size):
            yield examples.batch(early, order[at : at + config.order_batch_size])

    fitted = fit(
        model, label="ranker, order", batches=batches, rng=rng,
        steps=-(-len(examples.users) // config.order_batch_size), examples=len(examples.users),
        validate=lambda: summary(ranks(model, final, pools))["ndcg@10"],
        epochs=config.order_epochs, learning_rate=config.order_learning_rate, patience=config.patience,
        validate_every=1, course=course,
    )  # fmt: skip
    return Ordered(head, fitted, retrieval, summary(ranks(model, final, pools)))


def ranks(model: OrderModel, retriever: Retriever, pools: Lists) -> Ints:
    """Rank `[lists]` of the right item when the model orders each pool; MISSED where it is not in it."""
    found = np.full(len(pools.users), MISSED, np.int64)
    for at in range(0, len(found), CHUNK):
        some = np.arange(at, min(at + CHUNK, len(found)))
        batch = tensors(pools.batch(retriever, some))
        scores = np.where(pools.rows[some] >= 0, model.score_lists(batch).numpy(), -np.inf)
        inside = np.flatnonzero(pools.chosen[some] >= 0)
        own = scores[inside, pools.chosen[some][inside]]
        found[some[inside]] = (scores[inside] > own[:, None]).sum(1)
    return found


def ranker_sizes(retriever: Retriever) -> RankerSizes:
    """Sizes of the ranker's inputs for a data set."""
    space, data = retriever.space, retriever.data
    return RankerSizes(
        item_ids=len(data.items) + 1, item_tokens=space.item_tokens, item_slots=space.item_slots,
        user_ids=retriever.users.ids, user_tokens=space.user_tokens, numbers=space.numbers,
        cross=len(space.cross_features),
    )  # fmt: skip
