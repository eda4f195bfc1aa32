"""What a training run may be told. Everything here is written into the bundle's manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.errors import ConfigError
from serving.sources.shares import read_shares
from towers.negatives import KINDS as NEGATIVES
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
    half_life: float = 0.0
    """Days after which an event that the towers learn from counts half; 0: old ones count as much as new ones."""
    rating_weight: float = 0.0
    """What a rating adds to the weight of its event: the highest counts 1 + this, the lowest 1 - this, none 1."""
    epochs: int = 40
    """Passes of the towers over the training events, at most."""
    patience: int = 3
    """Validations without a better one after which the towers, and the order head, stop."""
    validate_every: int = 3
    """Epochs between two validations of the towers."""
    batch_size: int = 32
    """Windows of events in a batch of the towers; each asks for up to `history` + 1 next items."""
    learning_rate: float = 1.5e-3
    """Of the towers; like the others it decays over the epochs by a cosine to a tenth."""
    rating_epochs: int = 10
    """Passes of the rating heads over all ratings, at most."""
    rating_batch_size: int = 1024
    """Ratings in a batch."""
    rating_learning_rate: float = 3e-3
    """Of the rating heads."""
    order_epochs: int = 12
    """Passes of the order head over its lists, at most."""
    order_batch_size: int = 64
    """Lists in a batch."""
    order_learning_rate: float = 1e-3
    """Of the order head."""
    held_out: int = 20
    """Events at the end of each user's training part that the ranker learns from, unseen by its towers."""
    order_examples: int = 20_000
    """Lists that the ranker learns from at most, drawn from all events that it may; of a tabular one too."""
    order_unknown: float = 0.1
    """Share of candidates that the ranker is shown as items that training never saw, as new items are in serving."""
    candidates: int = 500
    """Items that retrieval hands to the ranker, in training and in its validation."""
    shares: dict[str, float] = field(default_factory=dict)
    """Of the candidates, what each source proposes first in serving; empty: what serving does by itself."""
    list_size: int = 64
    """Candidates in a list that the ranker learns from, half of them from the head of the pool."""
    neighbours: int = 200
    """Co-visited items kept per item."""
    neighbours_reg: float = 500.0
    """Ridge penalty of EASE, which says what having an item tells of others; above 12,000 items cosines do."""
    validation_users: int = 2_000
    """Users that towers and ranker are validated on at most, drawn from all who can be."""
    seed: int = 0
    """Of all that is drawn; the same seed gives the same result on the same machine."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto` for the best that is there."""

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        read_shares(self.shares)
        counts = ("history", "epochs", "patience", "validate_every", "batch_size", "rating_epochs", "list_size",
                  "rating_batch_size", "order_epochs", "order_batch_size", "candidates", "neighbours",
                  "validation_users", "held_out", "user_id_events")  # fmt: skip
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"expected training.{name} of at least 1, got {getattr(self, name)}")
        if not self.neighbours_reg > 0:
            raise ConfigError(f"expected training.neighbours_reg above 0, got {self.neighbours_reg}")
        if not 0 <= self.half_life < float("inf"):
            raise ConfigError(f"expected training.half_life of 0 or more days, got {self.half_life}")
        if not 0 <= self.rating_weight <= 1:
            raise ConfigError(f"expected training.rating_weight between 0 and 1, got {self.rating_weight}")
        if self.ranker.rating_members < 0:
            raise ConfigError(
                f"expected training.ranker.rating_members of at least 0, got {self.ranker.rating_members}"
            )
        if self.ranker.kind not in RANKERS:
            raise ConfigError(f"expected ranker.kind among {', '.join(RANKERS)}, got {self.ranker.kind!r}")
        if self.towers.negatives not in NEGATIVES:
            raise ConfigError(
                f"expected towers.negatives among {', '.join(NEGATIVES)}, got {self.towers.negatives!r}"
            )
        if self.towers.embedding_size % self.towers.heads:
            raise ConfigError(
                f"expected training.embedding_size to be a multiple of heads = {self.towers.heads}, "
                f"got {self.towers.embedding_size}"
            )
        if self.list_size > self.candidates:
            raise ConfigError(
                f"expected training.list_size of at most candidates = {self.candidates}, got {self.list_size}"
            )
