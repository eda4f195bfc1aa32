"""What the pipeline is asked, and what it answers: rows of a catalogue, never ids."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from catalog.records import Floats, History, Ints, User
from serving.recommend.explain import Reasons
from serving.sources.shares import DECAY

NO_ROWS: Ints = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class UserState:
    """What is known of one user at one moment."""

    user: User | None
    history: History
    seen: Ints
    """Rows that must not be recommended again."""
    time: float | None = None
    """The moment, in seconds since the epoch; None is now, or what the query says."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Rows and categories are those of the catalogue."""

    limit: int = 10
    offset: int = 0
    exclude: Ints = field(default_factory=lambda: NO_ROWS)
    categories: tuple[str, ...] = ()
    """Any of these; none means no filter."""
    diversity: float = 0.0
    """0 ranks by score alone, 1 by being unlike what is already on the list."""
    explain: bool = False
    time: float | None = None
    """As of when, in seconds since the epoch; None is now."""


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """How wide the first stage is, and who fills it."""

    candidates: int = 500
    new_every: int = 10
    """Of so many places one goes to an item that came after the model was trained and suits the user; 0: to none."""
    shares: tuple[tuple[str, float], ...] = ()
    """The share of the candidates that each source proposes first; gaps are filled by precedence. Where none are
    given, those of the bundle, and of bundles that say nothing `SHARES`."""
    decay: float = DECAY
    """Of trending, per hour."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """An answer in rows, best first."""

    rows: Ints
    scores: Floats
    sources: list[str]
    """Which source proposed each row; `request` where the caller did."""
    ratings: Floats | None = None
    """Predicted ratings in the unit of the data set: of `rank`, where the ranker has that head and ran."""
    pool: int = 0
    """How many candidates were ranked for it, of `recommend`."""
    reasons: Reasons | None = None
    """Why each row is there, where that was asked for."""
    cosines: Floats | None = None
    """`[n, 3]` likeness by text, picture and behaviour, of `alike`; NaN where there is none."""
    unknown: tuple[str, ...] = ()
    """Ids asked for that are not in the catalogue, in the order they came."""
    failed: tuple[str, ...] = ()
    """Stages that failed and were done without."""

    @property
    def degraded(self) -> bool:
        """Whether a stage was done without."""
        return bool(self.failed)
