"""What workers count: requests, stages, events. Each writes a row of numbers that all can read, and add up.

prometheus-client can share numbers between processes too, but an observation costs it several microseconds, and a
recommendation makes eight. Here every series has its place in a row of doubles from the beginning, because all label
values are known then: routes, stages, parts that may fail. The row is mapped from a file where there are several
workers, so each finds what the others counted, and what one counted that has ended stays in the sum.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serving.sources.shares import NAMES

BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds in seconds; from a stage of a tenth of a millisecond to a request that has to be called lost."""
STAGES = ("fetch", "user_tower", "retrieve", "rank", "post")
"""Reading the user from the store; then what `Pipeline.recommend` does."""
STATUSES = ("2xx", "3xx", "4xx", "5xx")
PARTS = ("store", "user_tower", "ranker", "source", "search", "other")
"""What an answer may be marked degraded for; `source` is any source of candidates."""
OTHER = ("*", "other")
"""Where requests are counted that no route takes."""
SUFFIX = ".counts"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric, one series for each combination of its label values."""

    name: str
    kind: Literal["counter", "histogram"]
    text: str
    labels: tuple[str, ...]

    @property
    def width(self) -> int:
        """Numbers of a series: the count, or a count per bucket, those above all of them, and the sum."""
        return 1 if self.kind == "counter" else len(BUCKETS) + 2


REQUESTS = Family(
    "towerbridge_requests", "counter", "Answers by route and status.", ("method", "route", "status")
)
SECONDS = Family(
    "towerbridge_request_seconds",
    "histogram",
    "From the first byte in to the last one out.",
    ("method", "route"),
)
STAGE_SECONDS = Family("towerbridge_stage_seconds", "histogram", "Of one recommendation.", ("stage",))
DEGRADED = Family("towerbridge_degraded", "counter", "Answers made without a part of the service.", ("part",))
EVENTS = Family("towerbridge_events", "counter", "Interactions that were sent.", ("outcome",))
IMPRESSIONS = Family(
    "towerbridge_impressions", "counter", "Lists whose showing was to be kept.", ("outcome",)
)
SWAPS = Family(
    "towerbridge_model_swaps", "counter", "Models that workers opened for answering.", ("outcome",)
)


class Counts:
    """One worker's numbers; written by its event loop alone."""

    def __init__(self, routes: Iterable[tuple[str, str]] = (), folder: Path | None = None) -> None:
        """Begin at zero.

        Args:
            routes: method and path template of each.
            folder: shared with other workers of the same code; None keeps the numbers to this one.
        """
        routes = sorted({*routes, OTHER})
        self.families: dict[Family, Sequence[tuple[str, ...]]] = {
            REQUESTS: [(*route, status) for route, status in product(routes, STATUSES)], SECONDS: routes,
            STAGE_SECONDS: [(stage,) for stage in STAGES], DEGRADED: [(part,) for part in PARTS],
            EVENTS: [("accepted",), ("rejected",)], IMPRESSIONS: [("kept",), ("dropped",)],
            SWAPS: [("done",), ("refused",)],
        }  # fmt: skip
        self._places: dict[Family, dict[tuple[str, ...], int]] = {}
        size = 0
        for family, series in self.families.items():
            self._places[family] = {labels: size + family.width * i for i, labels in enumerate(series)}
            size += family.width * len(series)
        self._size = size
        self._folder = folder
        self._digest = hashlib.sha256(repr(list(self._places.items())).encode()).hexdigest()[:8]
        self._numbers = self._row()
        self._routes = {
            route: (self._places[REQUESTS][(*route, STATUSES[0])], self._places[SECONDS][route])
            for route in routes
        }
        self._stages = [self._places[STAGE_SECONDS][(stage,)] for stage in STAGES]

    def request(self, route: tuple[str, str], status: int, seconds: float) -> None:
        """An answer was given."""
        counter, histogram = self._routes.get(route) or self._routes[OTHER]
        self._numbers[counter + min(max(status // 100, 2), 5) - 2] += 1
        self._observe(histogram, seconds)

    def fetched(self, seconds: float) -> None:
        """A user was read from the store."""
        self._observe(self._stages[0], seconds)

    def recommended(self, seconds: Sequence[float]) -> None:
        """A recommendation took so long in each of the stages after the first."""
        for place, spent in zip(self._stages[1:], seconds, strict=True):
            self._observe(place, spent)

    def degraded(self, parts: str) -> None:
        """An answer was made without some parts, parted by commas."""
        for part in parts.split(","):
            known = part if part in PARTS else "source" if part in NAMES else "other"
            self.add(DEGRADED, known)

    def add(self, family: Family, label: str, count: int = 1) -> None:
        """Count something of a family with one label."""
        self._numbers[self._places[family][(label,)]] += count

    def total(self) -> NDArray[np.float64]:
        """The numbers of all workers added up, of those that have ended too."""
        if self._folder is None:
            return np.array(self._numbers)
        rows: list[NDArray[np.float64]] = [
            np.fromfile(path, np.float64) for path in self._folder.glob(f"{self._digest}-*{SUFFIX}")
        ]
        total: NDArray[np.float64] = np.stack([row for row in rows if len(row) == self._size]).sum(axis=0)
        return total

    def workers(self) -> list[int]:
        """Process ids of the workers that count here and are still there."""
        if self._folder is None:
            return [os.getpid()]
        names = (path.name for path in self._folder.glob(f"{self._digest}-*{SUFFIX}"))
        found = (int(name.removesuffix(SUFFIX).rpartition("-")[2]) for name in names)
        return sorted(pid for pid in found if Path(f"/proc/{pid}").exists())

    def series(
        self, family: Family, total: NDArray[np.float64]
    ) -> Iterator[tuple[tuple[str, ...], NDArray[np.float64]]]:
        """Label values and numbers `[family.width]` of each series, those left out that are all zero."""
        for labels, place in self._places[family].items():
            numbers = total[place : place + family.width]
            if numbers.any():
                yield labels, numbers

    def _observe(self, place: int, seconds: float) -> None:
        numbers = self._numbers
        numbers[place + bisect_left(BUCKETS, seconds)] += 1
        numbers[place + len(BUCKETS) + 1] += seconds

    def _row(self) -> memoryview[float]:
        if self._folder is None:
            return memoryview(bytearray(8 * self._size)).cast("d")
        path = self._folder / f"{self._digest}-{os.getpid()}{SUFFIX}"
        with path.open("w+b") as file:
            file.truncate(8 * self._size)
            return memoryview(mmap.mmap(file.fileno(), 8 * self._size)).cast("d")


def quantile(counts: NDArray[np.float64], share: float) -> float | None:
    """The value below which a share of observations lies, in seconds; None of no observations.

    Within a bucket values are taken to be spread evenly, as Prometheus' `histogram_quantile` does; what lies above
    the last bound counts as that.

    Args:
        counts: `[len(BUCKETS) + 1]` observations by bucket.
        share: 0 … 1.
    """
    total = float(counts.sum())
    if not total:
        return None
    below = np.cumsum(counts)
    bucket = int(np.searchsorted(below, share * total))
    if bucket >= len(BUCKETS):
        return BUCKETS[-1]
    low = BUCKETS[bucket - 1] if bucket else 0.0
    inside = (share * total - (below[bucket] - counts[bucket])) / counts[bucket]
    return float(low + (BUCKETS[bucket] - low) * inside)
