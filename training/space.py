"""The knobs that tuning turns, and how far: the one place where the search space is declared.

Names are those of `TrainConfig`, dotted where the configuration is nested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two ends, whole ones where the ends are."""

    low: float
    high: float
    log: bool = False

    def holding(self, value: float) -> Range:
        """The same, wide enough for a value."""
        return replace(self, low=min(self.low, value), high=max(self.high, value))

    def suggest(self, trial: Trial, name: str) -> float:
        """A value to try."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values."""

    values: tuple[int | float | str, ...]

    def holding(self, value: int | float | str) -> Choice:
        """The same, with a value among them."""
        return self if value in self.values else Choice((value, *self.values))

    def suggest(self, trial: Trial, name: str) -> Any:
        """A value to try."""
        return trial.suggest_categorical(name, self.values)


SPACE: Mapping[str, Mapping[str, Range | Choice]] = {
    "towers": {
        "learning_rate": Range(5e-4, 4e-3, log=True),
        "batch_size": Choice((16, 32, 64)),
        "towers.embedding_size": Choice((32, 64, 128)),
        "towers.blocks": Range(1, 3),
        "towers.dropout": Range(0.05, 0.5),
        "towers.item_id_dropout": Range(0.0, 0.6),
        "towers.item_content_dropout": Range(0.0, 0.3),
        "towers.user_id_dropout": Range(0.2, 0.9),
        "towers.temperature": Range(0.5, 2.0, log=True),
    },
    "order": {
        "order_learning_rate": Range(3e-4, 3e-3, log=True),
        "order_batch_size": Choice((32, 64, 128)),
        "ranker.order_factors": Choice((4, 8, 16)),
        "ranker.order_crosses": Range(1, 3),
        "ranker.order_hidden": Choice((32, 64, 128)),
    },
    "rating": {
        "rating_learning_rate": Range(1e-3, 6e-3, log=True),
        "rating_batch_size": Choice((512, 1024, 2048)),
        "ranker.rating_factors": Choice((16, 32, 64)),
        "ranker.rating_reg": Range(0.01, 0.2, log=True),
    },
}
"""What is searched, by model. A knob that is not here is never turned."""
