"""One recommendation stage by stage: whom the user is near, who proposed what, what was filtered, and what won.

It asks the pipeline only what everybody may ask it, so what it shows is what answers are made of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from serving.http.answers import explanation
from serving.live.state import Known
from serving.model import Model
from serving.observe.named import named
from serving.recommend.query import NO_ROWS, Query, Ranked
from serving.routes.interactions import iso

NEIGHBOURS, PROPOSED, HISTORY = 20, 10, 20
"""How many are shown of each."""


def inspect(model: Model, known: Known, limit: int) -> dict[str, Any]:
    """Everything that leads to a user's list.

    Args:
        model: that answers.
        known: what the store says of the user.
        limit: items of the list.
    """
    state, catalogue, pipeline = model.state(known), model.catalogue, model.pipeline
    wide = Query(pipeline.config.candidates)  # as many as a recommendation ranks
    spent: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], Ranked]) -> Ranked:
        began = time.perf_counter()
        found = work()
        spent[stage] = round((time.perf_counter() - began) * 1000, 3)
        return found

    answer = timed("recommend", lambda: pipeline.recommend(state, Query(limit, explain=True)))
    near = pipeline.propose("two_tower", replace(state, seen=NO_ROWS), wide)
    similarity = dict(zip(near.rows.tolist(), near.scores.tolist(), strict=True))
    seen = set(state.seen.tolist())
    sources = []
    stranger = not len(state.history) and model.bundle.users.row(known.user.user_id) < 0
    shares = dict(pipeline.shares(stranger))
    for name in pipeline.sources:
        found = timed(name, lambda name=name: pipeline.propose(name, state, wide))  # type: ignore[misc]
        listed = zip(found.rows[:PROPOSED].tolist(), found.scores[:PROPOSED].tolist(), strict=True)
        sources.append({
            "source": name, "share": shares.get(name, 0.0), "proposed": len(found.rows),
            "taken": answer.sources.count(name),
            "items": [{**named(model, row), "score": _number(score)} for row, score in listed],
        })  # fmt: skip
    items = []
    for place, (row, score) in enumerate(zip(answer.rows.tolist(), answer.scores.tolist(), strict=True)):
        because = explanation(catalogue, answer.reasons, place) if answer.reasons is not None else None
        items.append({
            **named(model, row), "source": answer.sources[place], "score": _number(score),
            "similarity": _number(similarity.get(row)), "shares": because["shares"] if because else None,
            "like": because["history"] if because else [],
        })  # fmt: skip
    types = list(model.schema.interactions)
    latest = state.history.last(HISTORY)
    told = zip(latest.rows.tolist(), latest.types.tolist(), latest.times.tolist(), strict=True)
    return {
        "user_id": known.user.user_id, "known": bool(known.user.features) or len(state.history) > 0,
        "cold": not len(state.history), "model_version": model.bundle.version,
        "history": [
            {**named(model, row), "type": types[kind - 1], "timestamp": iso(at)} for row, kind, at in told
        ][::-1],
        "milliseconds": spent,
        "neighbours": [
            {**named(model, row), "similarity": _number(score), "filtered": "seen" if row in seen else None}
            for row, score in list(similarity.items())[:NEIGHBOURS]
        ],
        "sources": sources, "items": items, "catalogue": len(catalogue), "pool": answer.pool,
        "filtered": {"seen": len(seen), "unavailable": int((~catalogue.now.available).sum())},
        "degraded": [*known.failed, *answer.failed],
    }  # fmt: skip


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 6)
