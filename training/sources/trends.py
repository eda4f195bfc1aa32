"""What events were worth by item and hour, so that serving can say what trended at any moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bundle.proposals import Trends
from serving.sources.trending import HOUR, worths
from training.dataset import TrainingData

MOST = 4_000_000
"""Pairs of item and hour that are kept, the latest ones."""


def trends(data: TrainingData, learned: NDArray[np.bool_]) -> Trends | None:
    """The training events summed; None where times are no times, but an order.

    Args:
        data: log and schema.
        learned: `[events]` which of them count.
    """
    if not data.schema.timed:
        return None
    log = data.log.take(learned)
    worth = worths(data.schema, log.types, log.values)
    hours = np.floor(log.times / HOUR).astype(np.int64)
    cells, place = np.unique(hours * len(data.items) + log.item_rows, return_inverse=True)
    hour, row = np.divmod(cells, len(data.items))
    summed = np.bincount(place, worth, len(cells))
    kept = np.flatnonzero(summed > 0)[-MOST:]
    return Trends(row[kept].astype(np.int32), hour[kept].astype(np.int32), summed[kept].astype(np.float32))
