"""How sure a mean over users is: bootstrap over users (Efron 1979), vectorised.

Users are drawn anew with replacement, all metrics of all methods from the same draws, so that differences between
methods are paired.
"""

from __future__ import annotations

import numpy as np

from training.metrics import Doubles

RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 20
CHUNK = 50


def resampled_means(values: Doubles, resamples: int = RESAMPLES, seed: int = SEED) -> Doubles:
    """Means `[resamples, columns]` of `values [users, columns]` over users drawn with replacement."""
    users = len(values)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for at in range(0, resamples, CHUNK):
        times_drawn = rng.multinomial(users, np.full(users, 1.0 / users), min(CHUNK, resamples - at))
        means[at : at + CHUNK] = times_drawn @ values / users
    return means


def interval(resampled: Doubles, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Between which values the middle `confidence` of the resamples lies."""
    outside = (1.0 - confidence) / 2.0
    low, high = np.quantile(resampled, (outside, 1.0 - outside))
    return float(low), float(high)
