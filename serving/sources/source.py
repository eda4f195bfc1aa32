"""What candidate sources are asked, and the one small Protocol behind which they all stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from catalog.records import Candidates
from index.protocol import Mask
from serving.recommend.ranker import Viewer

NOTHING = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
"""The answer of a source that has nothing to say."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What sources are asked for."""

    viewer: Viewer
    allowed: Mask
    """[n] rows that may be proposed."""
    k: int
    user_id: str = ""
    """Empty where nobody is named."""
    time: float | None = None
    """As of when, in seconds since the epoch; None is now."""


class CandidateSource(Protocol):
    """Proposes items for a user."""

    @property
    def name(self) -> str:
        """How answers, settings and manifests call it."""

    def find(self, demand: Demand) -> Candidates:
        """At most `demand.k` of the allowed rows, best first; scores need only rank within the source."""
