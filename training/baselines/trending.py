"""Most popular of late: training events before the moment of the question count, recent ones more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.records import Floats
from training.answers import Scores
from training.baselines.baseline import Learned
from training.questions import Questions

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Trending:
    """An event counts exp(-its age / `days`)."""

    days: float = 30.0

    def fit(self, learned: Learned) -> Scores:
        """Put the events in order of time."""
        order = np.argsort(learned.log.times, kind="stable")
        times, rows = learned.log.times[order], learned.log.item_rows[order]
        scale = self.days * DAY

        def scores(asked: Questions) -> Floats:
            now = learned.now(asked)
            upto = np.searchsorted(times, now, side="right")
            found = np.zeros((len(asked), len(learned.data.items)), np.float32)
            counts, done, at = np.zeros(len(learned.data.items)), 0, 0.0
            # One sweep through time: what has been counted fades, what happened since is added.
            for question in np.argsort(now, kind="stable"):
                counts *= np.exp((at - now[question]) / scale) if done else 1.0
                fresh = slice(done, upto[question])
                aged = np.exp((times[fresh] - now[question]) / scale)
                counts += np.bincount(rows[fresh], aged, len(counts))
                found[question] = counts
                done, at = max(done, int(upto[question])), float(now[question])
            return found

        return scores
