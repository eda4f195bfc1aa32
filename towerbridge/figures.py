"""An evaluation as tables: on a terminal, and as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from towerbridge.output import cell

TITLES = {
    "next_item": "next item, full ranking",
    "global_time": "global time, full ranking",
    "cold_item": "cold items among themselves",
    "cold_item_among_all": "cold items among all",
    "new_user": "new users, full ranking",
}
ORDERS = {"ranker": "both stages", "retrieval": "the order of retrieval, which ships,"}
"""What the order of a bundle is called, unless a source's name."""
COLUMNS = (
    "ndcg@10", "hit_rate@5", "hit_rate@10", "precision@10", "recall@10", "recall@50", "recall@100", "recall@500",
    "mrr", "auc", "coverage@10", "gini@10", "novelty@10",
)  # fmt: skip
"""What tables show of the metrics; reports hold all."""
SPARE = (
    "20", "300", "200", "1000", "u2", "u3", "u4", "u5", "u1", "precision@10", "hit_rate@5", "recall@10", "gini@10",
    "novelty@10", "auc", "recall@50", "mrr", "recall@500", "coverage@10", "10", "index recall@100", "50",
    "hit_rate@10",
)  # fmt: skip
"""Columns that a narrow terminal does without, the first of them first."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head."""

    head: tuple[str, ...]
    rows: list[tuple[object, ...]]


def tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """One table a protocol, and one more of the stages where they were looked at."""
    spread = report.get("seeds", {}).get("spread", {})
    for name, methods in report["protocols"].items():
        if name == "rating":
            yield _ratings(methods, spread.get(name))
            continue
        columns = [column for column in COLUMNS if column in next(iter(methods.values()))]
        yield Table(
            (TITLES.get(name, _words(name)), *columns),
            [
                (_words(method), *_values(figures, spread.get(name, {}).get(method), columns))
                for method, figures in methods.items()
            ],
        )
        stages = report["details"].get(name, {}).get("stages", {})
        if "pool_ceiling" in stages:
            lifts = report.get("seeds", {}).get("stages", {}).get(name, {}).get("ranker_lift", {})
            title = TITLES.get(name, _words(name))
            yield _stages(title, stages, lifts.get("ndcg@10"))
            if "sources" in stages:
                yield _sources(title, stages["sources"])
        if "reads" in stages:
            yield reads(stages["reads"])


def reads(card: Mapping[str, Any]) -> Table:
    """What each feature of a tabular ranker is worth to it, and how much it tells by itself.

    Args:
        card: `ranker.json` of a bundle or a run.
    """
    order = sorted(card["features"], key=lambda name: -card["importances"].get(name, 0.0))
    return Table(
        (f"{card['kind']} reads", "importance", "AUC by itself"),
        [(name, card["importances"].get(name), card["alone"].get(name)) for name in order],
    )


def told_of_data(report: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on what of the data is not real, not there, or left out."""
    yield from report.get("generated", ())
    if missing := report.get("missing"):
        yield f"Not there: {', '.join(missing)}."
    if newer := report.get("newer_items"):
        yield f"Items that came after the training: {newer:,}. They and what users did with them are left out."


def winners(report: Mapping[str, Any]) -> Iterator[str]:
    """A sentence per protocol on whether what ships is worth more than the best source alone."""
    for name, details in report["details"].items():
        stages = details.get("stages", {})
        if "best_source" not in stages:
            continue
        best, whole = stages["best_source"], stages["pool_ndcg@10"]["500"]
        single = stages["sources"][best]["ndcg@10"]
        shipped = ORDERS.get(stages["order"], f"{_words(stages['order'])}, which ships,")
        low, high = stages["best_source_behind"]
        verdict = "no less than" if whole >= single else "LESS than"
        sure = "" if low > 0 or high < 0 else "; other users could have turned this round"
        yield (
            f"{TITLES.get(name, _words(name))}: NDCG@10 of {shipped} {whole:.4f}, {verdict} {single:.4f} "
            f"of the best single source, {_words(best)} "
            f"(95 % interval of the difference {low:+.4f} … {high:+.4f}{sure})."
        )


def left_out(report: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on what was asked for and could not be measured."""
    for protocol, details in report["details"].items():
        if "left_out" in details:
            yield f"{_words(protocol)}: {details['left_out']}"
        for name, baseline in details.get("baselines", {}).items():
            if "left_out" in baseline:
                yield f"{_words(protocol)}, {_words(name)}: {baseline['left_out']}"


def markdown(report: Mapping[str, Any]) -> str:
    """The report as a page: all tables, confidence intervals and slices."""
    parts = [f"# {report['dataset']}", f"Model {report['model_version']}.", *told_of_data(report)]
    parts += [*(_drawn(each) for each in tables(report)), *winners(report)]
    for name, details in report["details"].items():
        if "intervals" in details:
            title = TITLES.get(name, _words(name))
            parts.append(f"## {title}: {details['users']:,} users")
            parts += [_drawn(_intervals(details["intervals"])), _drawn(_sliced(details["slices"]))]
    return "\n\n".join([*parts, *left_out(report)]) + "\n"


def _ratings(found: Mapping[str, Any], spread: Mapping[str, Any] | None) -> Table:
    folds = list(found["folds"])
    rows: list[tuple[object, ...]] = []
    others = found.get("baselines", {})
    for name, each in {"RMSE": found, **others}.items():
        beside = (spread or {}) if name == "RMSE" else (spread or {}).get("baselines", {}).get(name, {})
        values = {**each["folds"], "mean": each["mean"]}
        spreads = {**beside.get("folds", {}), "mean": beside["mean"]} if beside else None
        rows.append((_words(name), *_values(values, spreads, [*folds, "mean"])))
    return Table(("rating", *folds, "mean"), rows)


def _stages(title: str, stages: Mapping[str, Any], spread: Mapping[str, float] | None) -> Table:
    lift, ceiling = stages["ranker_lift"], stages["pool_ceiling"]
    gained = None if lift["ndcg@10"] is None else f"{lift['ndcg@10']:+.1%}"
    if spread is not None:
        gained = None if isnan(spread["mean"]) else f"{spread['mean']:+.1%}±{spread['std']:.1%}"
    elif gained and lift["interval"]:
        low, high = lift["interval"]
        gained += f" ({low:+.1%} … {high:+.1%})"
    head = (f"{title}: a pool of", *ceiling, "ranker lift", "index recall@100")
    rows: list[tuple[object, ...]] = [
        ("holds of the right items", *ceiling.values(), gained, stages["index_recall@100"])
    ]
    if "pool_ndcg@10" in stages:
        rows.append(("is ranked to ndcg@10", *stages["pool_ndcg@10"].values(), "", ""))
    return Table(head, rows)


def _sources(title: str, found: Mapping[str, Mapping[str, float]]) -> Table:
    columns = list(next(iter(found.values())))
    by_worth = sorted(found.items(), key=lambda each: -each[1]["ndcg@10"])
    rows: list[tuple[object, ...]] = [
        (_words(name), *(figures[column] for column in columns)) for name, figures in by_worth
    ]
    return Table((f"{title}: a source alone", *columns[:-1], "brought of the right items"), rows)


def _intervals(found: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    columns = [column for column in COLUMNS if column in next(iter(found.values()))]
    rows: list[tuple[object, ...]] = [
        (_words(method), *(f"{each[column][0]:.3f} … {each[column][1]:.3f}" for column in columns))
        for method, each in found.items()
    ]
    return Table(("95 % interval", *columns), rows)


def _sliced(found: Sequence[Mapping[str, Any]]) -> Table:
    methods = list(found[0]["methods"]) if found else []
    rows: list[tuple[object, ...]] = [
        (each["by"], each["slice"], each["users"], *(each["methods"][name]["ndcg@10"] for name in methods))
        for each in found
    ]
    return Table(("ndcg@10 by", "slice", "users", *map(_words, methods)), rows)


def _values(
    figures: Mapping[str, Any], spread: Mapping[str, Any] | None, columns: Sequence[str]
) -> list[object]:
    if spread is None:
        return [figures.get(column) for column in columns]
    told = (spread.get(column) for column in columns)
    return [each and f"{each['mean']:.4f}±{each['std']:.4f}" for each in told]


def _drawn(table: Table) -> str:
    lines = [table.head, tuple("---" for _ in table.head), *(tuple(map(cell, row)) for row in table.rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _words(name: str) -> str:
    return name.replace("_", " ")
