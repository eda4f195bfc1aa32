"""What is worth its price: lowered much, rated well, and by many.

The rating is smoothed as a Bayesian would (the mean of all ratings counts as much as the median item's reviews), so
that five stars from one buyer do not beat 4.6 from a thousand. Reviews count by their logarithm: by their number
alone, which spans five orders of magnitude, the list would be that of the most reviewed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalog.records import Floats, Item
from catalog.schema import BestValue


def best_value(items: Sequence[Item], told: BestValue) -> Floats:
    """discount × smoothed rating × ln(1 + reviews), `[n]`; NaN where one of the three is not known.

    Args:
        items: n of them.
        told: the features that hold the three.
    """
    discount, rating, reviews = (_column(items, name) for name in (told.discount, told.rating, told.reviews))
    known = ~np.isnan(rating) & (reviews > 0)
    if not known.any():
        return np.full(len(items), np.nan, np.float32)
    mean = np.average(rating[known], weights=reviews[known])
    prior = np.median(reviews[known])
    smoothed = (prior * mean + reviews * rating) / (prior + reviews)
    found: Floats = (discount * smoothed * np.log1p(reviews)).astype(np.float32)
    return found


def _column(items: Sequence[Item], name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A numeric feature `[n]`, NaN where it is not known; what is below 0 cannot be meant."""
    values = (item.features.get(name) for item in items)
    column = np.fromiter(
        (v if isinstance(v, float | int) else np.nan for v in values), np.float64, len(items)
    )
    return np.where(column >= 0, column, np.nan)
