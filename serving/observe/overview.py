"""How the service does, for the control room: rates and latencies, what was shown, and the state of the data."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.impressions import Shown
from serving.model import Model
from serving.observe.counts import (
    BUCKETS,
    DEGRADED,
    EVENTS,
    REQUESTS,
    SECONDS,
    STAGE_SECONDS,
    Counts,
    Family,
    quantile,
)
from serving.observe.named import named

WINDOW_SECONDS = 60.0
"""What rates and latencies are of, as soon as anybody has looked so long ago."""
TENTHS = 10
MOST_SHOWN = 10
Numbers = NDArray[np.float64]


class Window:
    """What was counted lately: the difference to what was counted when somebody looked about a minute ago."""

    def __init__(self, counts: Counts) -> None:
        """Begin with what is there; counts of workers that are older are not lately."""
        self._counts = counts
        self._looks: deque[tuple[float, Numbers]] = deque([(time.monotonic(), counts.total())])

    def look(self) -> tuple[float, Numbers]:
        """Seconds, and what was counted in them."""
        now, total = time.monotonic(), self._counts.total()
        while len(self._looks) > 1 and now - self._looks[1][0] >= WINDOW_SECONDS:
            self._looks.popleft()
        then, before = self._looks[0]
        if now - self._looks[-1][0] >= 1:
            self._looks.append((now, total))
        return max(now - then, 1e-3), total - before


def rates(counts: Counts, seconds: float, lately: Numbers) -> dict[str, Any]:
    """Requests and latencies per route and stage of a window; in total answers, what degraded, and events."""
    errors: dict[tuple[str, ...], float] = {}
    for (method, route, status), numbers in counts.series(REQUESTS, lately):
        if status == "5xx":
            errors[method, route] = float(numbers[0])
    routes = [
        {
            "method": method, "route": route, "requests": int(numbers[:-1].sum()),
            "per_second": round(float(numbers[:-1].sum()) / seconds, 3),
            "errors": int(errors.get((method, route), 0)), **_latencies(numbers),
        }
        for (method, route), numbers in counts.series(SECONDS, lately)
    ]  # fmt: skip
    total = counts.total()
    return {
        "workers": len(counts.workers()), "window_seconds": round(seconds, 3),
        "answers": int(sum(numbers[:-1].sum() for _, numbers in counts.series(SECONDS, total))),
        "routes": sorted(routes, key=lambda one: -one["requests"]),
        "stages": [
            {"stage": stage, "count": int(numbers[:-1].sum()), **_latencies(numbers)}
            for (stage,), numbers in counts.series(STAGE_SECONDS, lately)
        ],
        "degraded": _totals(counts, DEGRADED, total), "events": _totals(counts, EVENTS, total),
    }  # fmt: skip


def shown(model: Model, found: Shown, days: float) -> dict[str, Any]:
    """How much of the catalogue was shown, how evenly, and how popular it was.

    Args:
        model: whose catalogue.
        found: what was shown.
        days: in which.
    """
    rows = model.catalogue.ids.rows(list(found.counts))
    counts = np.array(list(found.counts.values()), np.float64)[rows >= 0]
    rows = rows[rows >= 0]
    available = int(model.catalogue.now.available.sum())
    popularity = model.catalogue.now.columns.popularity
    tenth = np.empty(len(popularity), np.int64)
    tenth[np.argsort(-popularity, kind="stable")] = (
        np.arange(len(popularity)) * TENTHS // max(len(popularity), 1)
    )
    shares = np.bincount(tenth[rows], counts, TENTHS) / max(counts.sum(), 1.0)
    most = np.argsort(-counts, kind="stable")[:MOST_SHOWN]
    return {
        "impressions": found.lists, "days": days, "items": len(rows),
        "coverage": round(len(rows) / available, 6) if available else None,
        "gini": gini(counts, max(available, len(counts))) if len(counts) else None,
        "by_popularity": [round(float(share), 6) for share in shares],
        "top": [
            {**named(model, int(rows[i])), "count": int(counts[i])} for i in most
        ],
    }  # fmt: skip


def data(model: Model) -> dict[str, int]:
    """What the items of a model lack, and who among its items and users is cold."""
    now, manifest = model.catalogue.now, model.bundle.manifest
    n = len(now)
    mask = now.content.mask if now.content is not None else np.zeros((n, 2), bool)
    return {
        "items": n, "available": int(now.available.sum()),
        "without_text": int(n - mask[:, 0].sum()), "without_image": int(n - mask[:, 1].sum()),
        "cold_items": int((now.columns.popularity <= 0).sum()), "users": manifest.counts.users,
        "cold_users": max(0, manifest.counts.users - len(model.bundle.users)),
        "interactions": manifest.counts.interactions,
    }  # fmt: skip


def gini(counts: Numbers, n: int) -> float:
    """How unevenly n items were shown, of which those not counted never: 0 all alike, towards 1 one alone."""
    rising = np.concatenate([np.zeros(n - len(counts)), np.sort(counts)])
    places = np.arange(1, n + 1)
    return round(float((2 * places - n - 1) @ rising / (n * rising.sum())), 6)


def _latencies(numbers: Numbers) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        seconds = quantile(numbers[: len(BUCKETS) + 1], share)
        found[name] = None if seconds is None else round(seconds * 1000, 3)
    return found


def _totals(counts: Counts, family: Family, total: Numbers) -> Mapping[str, int]:
    return {labels[0]: int(numbers[0]) for labels, numbers in counts.series(family, total)}
