"""A report of `training.evaluate` as the parts of a page: sentences, tables, and charts in their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from towerbridge.figures import COLUMNS
from towerbridge.report import charts, words

OURS, STAGE = "pipeline", "retrieval"
PLAIN = ("most_popular", "most_popular_decayed", "random", "top_rated")
"""Methods that know nothing of the person."""
SERVED = "500"
"""The size of the pool that is served."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, and what is known of how sure it is."""

    value: float | None
    low: float | None = None
    high: float | None = None
    deviation: float | None = None
    """Over seeds."""


@dataclass(frozen=True, slots=True)
class Row:
    """One method."""

    name: str
    kind: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the questions, and NDCG@10 of what is compared on it."""

    name: str
    users: int
    bars: charts.Bars


@dataclass(frozen=True, slots=True)
class Stages:
    """Where right things are lost."""

    curve: charts.Plot
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    index_recall: float
    sources: charts.Bars | None
    """NDCG@10 of each source of candidates alone, below that of all together."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What a tabular ranker reads, the share that it has in its answers, and the AUC that it has by itself."""

    name: str
    importance: float
    alone: float


@dataclass(frozen=True, slots=True)
class Section:
    """One protocol that ranks."""

    told: words.Protocol
    users: int | None
    headline: str
    chart: charts.Bars
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    stages: Stages | None
    features: tuple[Feature, ...]
    """Of a tabular ranker, the weightiest first."""
    slices: Mapping[str, tuple[Slice, ...]]
    """By kind."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """RMSE by fold."""

    folds: tuple[str, ...]
    rows: tuple[Row, ...]


def sections(report: Mapping[str, Any]) -> Iterator[Section]:
    """Every protocol of a report that ranks: what comes nearest to daily business first."""
    spread = report.get("seeds", {}).get("spread", {})
    details = report["details"]
    first = next(iter(details.get("by_seed", {}).values()), details)
    places = {name: place for place, name in enumerate(words.PROTOCOLS)}
    asked = [name for name in report["protocols"] if name != "rating"]
    for name in sorted(asked, key=lambda name: places.get(name, len(places))):
        looked = {**first.get(name, {}), **details.get(name, {})}
        yield _section(words.protocol(name), report["protocols"][name], looked, spread.get(name))


def ratings(report: Mapping[str, Any]) -> Ratings | None:
    """What of a report is about predicted ratings."""
    found = report["protocols"].get("rating")
    if found is None:
        return None
    folds = tuple(found["folds"])
    every = {OURS: found, **found.get("baselines", {})}
    rows = (
        Row(
            words.method(name), words.kind(name),
            (*(Cell(each["folds"].get(fold)) for fold in folds), Cell(each["mean"])),
        )
        for name, each in sorted(every.items(), key=lambda one: float(one[1]["mean"]))
    )  # fmt: skip
    return Ratings(folds, tuple(rows))


def headline(methods: Mapping[str, Mapping[str, float]]) -> str:
    """One sentence for somebody who reads one sentence."""
    if "hit_rate@10" not in methods.get(OURS, {}):
        return ""
    others = {name: each for name, each in methods.items() if name not in (OURS, STAGE)}
    ours = methods[OURS]
    said = f"Shown ten things, {_of_100(ours['hit_rate@10'])} in 100 people find what they were about to take"
    plain = next((name for name in PLAIN if "hit_rate@10" in others.get(name, ())), None)
    if plain is not None:
        said += f"; of the list “{words.method(plain).lower()}” it would be {_of_100(others[plain]['hit_rate@10'])}"
    best = max(others, key=lambda name: others[name]["ndcg@10"], default=None)
    if best is not None and best not in PLAIN and others[best]["ndcg@10"] > 0:
        change = ours["ndcg@10"] / others[best]["ndcg@10"] - 1
        said += (
            f". The best of {len(others)} other methods, {words.method(best)}, has NDCG@10 "
            f"{others[best]['ndcg@10']:.3f}; this one has {ours['ndcg@10']:.3f} ({signed(change, 0)})"
        )
    return said + "."


def signed(share: float, digits: int = 1) -> str:
    """A change as a share: `+13.3%`, `−4.0%`."""
    return f"{share:+.{digits}%}".replace("-", "−")


def _section(
    told: words.Protocol, methods: Mapping[str, Mapping[str, float]], details: Mapping[str, Any],
    spread: Mapping[str, Any] | None,
) -> Section:  # fmt: skip
    columns = tuple(column for column in COLUMNS if column in next(iter(methods.values())))
    order = sorted(methods, key=lambda name: -methods[name]["ndcg@10"])
    intervals = {} if spread else details.get("intervals", {})
    rows = {
        name: tuple(
            _cell(
                methods[name].get(column),
                intervals.get(name, {}).get(column),
                (spread or {}).get(name, {}).get(column),
            )
            for column in columns
        )
        for name in order
    }
    place, stages = columns.index("ndcg@10"), details.get("stages", {})
    return Section(
        told, details.get("users"), headline(methods),
        charts.bars([_bar(name, cells[place]) for name, cells in rows.items()]),
        columns, tuple(Row(words.method(name), words.kind(name), cells) for name, cells in rows.items()),
        _stages(stages), _features(stages.get("reads")), _slices(details.get("slices", ()), order),
    )  # fmt: skip


def _cell(value: float | None, interval: Any, spread: Mapping[str, float] | None) -> Cell:
    if spread:
        return Cell(value, spread["min"], spread["max"], spread["std"])
    low, high = interval or (None, None)
    return Cell(value, low, high)


def _bar(name: str, cell: Cell) -> charts.Measured:
    return charts.Measured(words.method(name), cell.value or 0.0, cell.low, cell.high, words.kind(name))


def _stages(found: Mapping[str, Any]) -> Stages | None:
    if "pool_ceiling" not in found:
        return None
    ceilings = sorted((int(size), float(share)) for size, share in found["pool_ceiling"].items())
    low, high = found["ranker_lift"].get("interval") or (None, None)
    return Stages(
        charts.bandwidth(ceilings), found["ranker_lift"]["ndcg@10"], low, high, found["index_recall@100"],
        _sources(found),
    )  # fmt: skip


def _features(card: Mapping[str, Any] | None) -> tuple[Feature, ...]:
    if card is None:
        return ()
    found = (
        Feature(words.feature(name), card["importances"].get(name, 0.0), card["alone"].get(name, 0.5))
        for name in card["features"]
    )
    return tuple(sorted(found, key=lambda feature: -feature.importance))


def _sources(found: Mapping[str, Any]) -> charts.Bars | None:
    if not found.get("sources"):
        return None
    alone = sorted(found["sources"].items(), key=lambda each: -float(each[1]["ndcg@10"]))
    together = charts.Measured("All of them, ranked", found["pool_ndcg@10"][SERVED], kind="ours")
    return charts.bars(
        [
            together,
            *(charts.Measured(words.SOURCES.get(name, name), each["ndcg@10"]) for name, each in alone),
        ]
    )


def _slices(found: Any, order: list[str]) -> dict[str, tuple[Slice, ...]]:
    """By kind. The pipeline beside the best of the methods that stand in the order after it, and most popular."""
    others = [name for name in order if name not in (OURS, STAGE)]
    compared = [OURS, *dict.fromkeys([*others[:1], *(["most_popular"] if "most_popular" in others else [])])]
    together: dict[str, list[Slice]] = {}
    top = max(
        (
            each["methods"][name]["ndcg@10"]
            for each in found for name in compared if name in each["methods"]
        ),
        default=0.0,
    )  # fmt: skip
    for each in found:
        drawn = charts.bars(
            [
                charts.Measured(
                    words.method(name), each["methods"][name]["ndcg@10"], kind=words.kind(name)
                )
                for name in compared if name in each["methods"]
            ],
            top, charts.NARROW,
        )  # fmt: skip
        name = words.GROUPS.get(each["slice"], each["slice"])
        together.setdefault(each["by"], []).append(Slice(name, each["users"], drawn))
    return {words.SLICES.get(by, by): tuple(parts) for by, parts in together.items()}


def _of_100(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.095 else f"{100 * share:.1f}"
