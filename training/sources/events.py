"""What candidate sources precompute from events: counted when a training ends, and kept with its run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.dataset import TrainingData
from training.sources.rules import rules
from training.sources.sessions import sessions
from training.sources.trends import trends


def counted(data: TrainingData, learned: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Arrays of a run: association rules, and what trended where times are times.

    Args:
        data: log and schema.
        learned: `[events]` which of them count.
    """
    rows, weights = rules(sessions(data, learned))
    arrays: dict[str, NDArray[Any]] = {"rules_rows": rows, "rules_weights": weights}
    told = trends(data, learned)
    if told is not None:
        arrays |= {"trending_rows": told.rows, "trending_hours": told.hours, "trending_worth": told.worth}
    return arrays
