"""What a training run may be told. Everything here is written into the bundle's manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.errors import ConfigError
from serving.sources.shares import read_shares
from towers.ranker import RankerConfig
from towers.retrieval import TowerConfig

RANKERS = ("tfrs", "logistic", "catboost")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Knobs of one run; the defaults are what MovieLens-100k ships with."""

    towers: TowerConfig = field(default_factory=TowerConfig)
    ranker: RankerConfig = field(default_factory=RankerConfig)
    history: int = 50
    """Events that the user tower reads."""
    user_id_events: int = 5
    """Training events from which on a user has an id embedding; of others the history tells as much."""
    epochs: int = 40
    patience: int = 3
    """Validations without a better one after which the towers stop."""
    validate_every: int = 3
    """Epochs between two validations of the towers."""
    batch_size: int = 32
    """Windows of events in a batch of the towers; each asks for up to `history` + 1 next items."""
    learning_rate: float = 1.5e-3
    rating_epochs: int = 10
    rating_batch_size: int = 1024
    rating_learning_rate: float = 3e-3
    order_epochs: int = 12
    order_batch_size: int = 64
    order_learning_rate: float = 1e-3
    held_out: int = 20
    """Events at the end of each user's training part that the ranker learns from, unseen by its towers."""
    order_examples: int = 20_000
    order_unknown: float = 0.1
    """Share of candidates that the ranker is shown as items that training never saw, as new items are in serving."""
    candidates: int = 500
    shares: dict[str, float] = field(default_factory=dict)
    """Of the candidates, what each source proposes first in serving; empty: what serving does by itself."""
    list_size: int = 64
    neighbours: int = 200
    """Co-visited items kept per item."""
    neighbours_reg: float = 500.0
    validation_users: int = 2_000
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        read_shares(self.shares)
        counts = ("history", "epochs", "patience", "validate_every", "batch_size", "rating_epochs", "list_size",
                  "rating_batch_size", "order_epochs", "order_batch_size", "candidates", "neighbours",
                  "validation_users", "held_out", "user_id_events")  # fmt: skip
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"expected training.{name} of at least 1, got {getattr(self, name)}")
        if self.ranker.kind not in RANKERS:
            raise ConfigError(f"expected ranker.kind among {', '.join(RANKERS)}, got {self.ranker.kind!r}")
        if self.towers.embedding_size % self.towers.heads:
            raise ConfigError(
                f"expected training.embedding_size to be a multiple of heads = {self.towers.heads}, "
                f"got {self.towers.embedding_size}"
            )
        if self.list_size > self.candidates:
            raise ConfigError(
                f"expected training.list_size of at most candidates = {self.candidates}, got {self.list_size}"
            )
