"""From fitted models to a run folder: graphs, arrays, and probes of what TensorFlow answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import Counts, Dims, Encoders
from catalog.records import Candidates, History
from towers.cross import TABLES, cross_features
from towers.export import Function, probe, to_onnx
from towers.ranker import Ranker
from training.config import TrainConfig
from training.order import Ordered
from training.rating import Rated
from training.retriever import Retriever, item_inputs, validation_users
from training.run import Run, RunSummary
from training.sources.events import counted
from training.tabular import TabularOrder

PROBES = 64
Arrays = dict[str, NDArray[Any]]


def export(
    retriever: Retriever,
    order: Ordered | TabularOrder,
    rating: Rated | None,
    config: TrainConfig,
    seconds: Mapping[str, float],
    notes: Sequence[str],
    folder: Path,
) -> Run:
    """Write everything that a bundle is built from."""
    data, columns, space = retriever.data, retriever.columns, retriever.space
    functions = tower_functions(retriever)
    if isinstance(order, Ordered):
        functions["ranker"] = Ranker(order.head, rating.heads if rating else None)
    rng = np.random.default_rng(config.seed)
    samples = zip(("user_tower", "item_tower", "ranker"), sample_inputs(retriever, PROBES, rng), strict=True)
    probes = {name: probe(functions[name], inputs) for name, inputs in samples if name in functions}
    graphs = {name: to_onnx(function, probes[name].inputs) for name, function in functions.items()}
    if isinstance(order, TabularOrder):
        graphs["ranker"], probes["ranker"] = order.onnx, order.probe
    trained = [data.users[u].user_id for u in np.flatnonzero(retriever.users.row > 0)]
    name = data.schema.rating_type()
    learned = retriever.split.training(data.log)
    summary = RunSummary(
        dataset_schema=data.schema,
        dims=Dims(
            vector=config.towers.embedding_size, text=data.content.text.shape[1],
            image=data.content.image.shape[1], history=space.history,
        ),
        counts=Counts(
            items=len(data.items), users=len(np.unique(data.log.user_rows[learned])), interactions=int(learned.sum())
        ),
        encoders=Encoders(text=data.content.text_encoder, image=data.content.image_encoder),
        heads=("score", "rating") if rating else ("score",),
        rank_by="ranker" if order.lifts else "retrieval",
        shares=config.shares,
        rating_range=data.schema.interactions[name].bounds if name and rating else None,
        metrics=metrics(order, rating),
        training={
            "as_of": data.as_of,
            "config": asdict(config),
            "seconds": dict(seconds),
            "notes": list(notes),
            "validated": len(validation_users(retriever.split, config, rng)),
            "towers": {"epochs": retriever.fitted.epochs, "best_epoch": retriever.fitted.best_epoch,
                       "examples_per_second": round(retriever.fitted.examples_per_second)},
        },
    )  # fmt: skip
    return Run.write(
        folder, summary=summary, items=data.items, user_ids=tuple(trained), space=space,
        graphs=graphs, tabular=order.part if isinstance(order, TabularOrder) else None,
        arrays={
            "tokens": columns.tokens, "numeric": columns.numeric, "embedding_rows": columns.embedding_rows,
            "popularity": columns.popularity, "vectors": retriever.vectors,
            "text": data.content.text, "image": data.content.image, "content_mask": data.content.mask > 0,
            **{f"{table}_{part}": getattr(columns, f"{table}_{part}")
               for table in TABLES for part in ("rows", "weights")},
            **counted(data, learned),
        },
        probes=probes,
    )  # fmt: skip


def tower_functions(retriever: Retriever) -> dict[str, Function]:
    """Both towers as functions of named tensors."""
    model = retriever.model
    return {
        "user_tower": lambda inputs: {"user_vector": model.user_tower.last(inputs)},
        "item_tower": lambda inputs: {"item_vector": model.item_tower(inputs)},
    }


def sample_inputs(
    retriever: Retriever, count: int, rng: np.random.Generator
) -> tuple[Arrays, Arrays, Arrays]:
    """Inputs of the three graphs for random users, one of them unknown, and random items.

    The user tower gets `count` users at random moments of their histories, the item tower `count` items, the
    ranker one user and `count` candidates.
    """
    data, split, space = retriever.data, retriever.split, retriever.space
    users = rng.integers(0, len(data.users), count)
    histories = []
    for user in users:
        begin, end = int(split.begin[user]), int(split.end[user])
        histories.append(data.log.history(begin, int(rng.integers(begin, end + 1))))
    histories[0] = History.empty()
    parts = [
        {
            **space.user_inputs(data.users[user] if i else None, int(retriever.users.row[user]) if i else 0),
            **space.history_inputs(history, retriever.vectors),
        }
        for i, (user, history) in enumerate(zip(users, histories, strict=True))
    ]
    of_users = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows = rng.integers(0, len(data.items), count)
    of_items = {name: column[rows] for name, column in item_inputs(data, retriever.columns).items()}
    user, history = int(users[-1]), histories[-1]
    inputs = space.user_inputs(data.users[user], int(retriever.users.row[user]))
    vector = retriever.model.user_vectors({**inputs, **space.history_inputs(history, retriever.vectors)})
    return of_users, of_items, ranker_inputs(retriever, inputs, vector, history, rows)


def ranker_inputs(retriever: Retriever, inputs: Arrays, vector: Any, history: History, rows: Any) -> Arrays:
    """Inputs of `ranker.onnx` for one user and candidate rows."""
    space, columns = retriever.space, retriever.columns
    found = Candidates(rows, (retriever.vectors[rows] @ vector[0]).astype(np.float32))
    return {
        **inputs,
        **space.rated_inputs(history, columns.embedding_rows),
        "item_row": columns.embedding_rows[rows],
        "item_tokens": columns.tokens[rows],
        "item_numeric": columns.numeric[rows],
        "cross": cross_features(space, found, history, columns),
    }


def metrics(order: Ordered | TabularOrder, rating: Rated | None) -> dict[str, Any]:
    """Validation figures of the run, for the manifest."""
    found: dict[str, Any] = {"validation": {"retrieval": order.retrieval, "ranker": order.ranked}}
    if rating:
        found["validation"]["rmse"] = rating.rmse
    return found
