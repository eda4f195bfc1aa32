"""Several reports of one kind, of models trained with different seeds, as their mean and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def over_seeds(reports: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> dict[str, Any]:
    """One report: means under `protocols`, where a single one has its figures, and their spread under `seeds`.

    Args:
        reports: of `training.evaluate.evaluate`, one per seed.
        seeds: what each was trained with.
    """
    figures = [report["protocols"] for report in reports]
    versions = [report["model_version"] for report in reports]
    details = [report["details"] for report in reports]
    stages = [_stages(each) for each in details]
    return {
        "dataset": reports[0]["dataset"],
        "model_version": ", ".join(versions),
        **{name: reports[0][name] for name in ("generated", "missing") if name in reports[0]},
        "protocols": _together(figures, _mean),
        "details": {
            **{name: {"stages": each} for name, each in _together(stages, _mean).items()},
            **{name: each for name, each in details[0].items() if "left_out" in each},
            "by_seed": dict(zip(map(str, seeds), details, strict=True)),
        },
        "seeds": {
            "seeds": list(seeds),
            "versions": versions,
            "spread": _together(figures, _spread),
            "stages": _together(stages, _spread),
        },
    }


def _stages(details: Mapping[str, Any]) -> dict[str, Any]:
    """What is measured of the stages of each table; NaN for a lift over nothing."""
    measured = {}
    for table, each in details.items():
        if "pool_ceiling" in (stages := each.get("stages", {})):
            lift = stages["ranker_lift"]["ndcg@10"]
            measured[table] = {
                "ranker_lift": {"ndcg@10": np.nan if lift is None else lift},
                "pool_ceiling": stages["pool_ceiling"], "index_recall@100": stages["index_recall@100"],
            }  # fmt: skip
    return measured


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation (of a sample), least and largest."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "std": deviation, "min": min(values), "max": max(values)}


def _together(parts: Sequence[Any], combine: Any) -> Any:
    """The same nesting as each of the parts has, with the numbers at each place combined."""
    if isinstance(parts[0], Mapping):
        return {key: _together([part[key] for part in parts], combine) for key in parts[0]}
    return combine(parts)
