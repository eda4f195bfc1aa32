"""What a tabular ranker's bundle holds beside its graph: the names of its features, and what they read of the items.

ranker.json            kind, names of the features in order, what each is worth to the model, which of them leak
tabular/events.npy     …     the counts of training that running statistics go on from
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.columns import load_array
from catalog.errors import BundleError
from catalog.records import Floats

NAME = "ranker.json"
Kind = Literal["logistic", "catboost"]


class RankerCard(BaseModel):
    """`ranker.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    features: tuple[str, ...] = Field(min_length=1)
    """Names of the columns of the graph's input, known to `towers.tabular`."""
    importances: Mapping[str, float] = {}
    """By feature, adding up to 1."""
    alone: Mapping[str, float] = {}
    """The AUC of each feature by itself on validation: near 1 it must know the answer."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of n items and of u user tokens at the end of training."""

    events: Floats
    """[n] events."""
    liked: Floats
    """[n] events that say liked."""
    lengths: Floats
    """[n] characters of text."""
    clusters: Floats
    """[n, c] distances to the centres of c clusters of texts; c may be 0."""
    group_events: Floats
    """[u] events of users with the token."""
    group_liked: Floats
    """[u]"""


@dataclass(frozen=True, slots=True)
class Tabular:
    """The part of a bundle whose ranker is tabular."""

    card: RankerCard
    facts: Facts

    @classmethod
    def open(cls, bundle: Path, n: int) -> Tabular | None:
        """That of a bundle's folder of n items, or of a run's; None where the ranker is another one.

        Raises:
            BundleError: the parts do not fit.
        """
        path = bundle / NAME
        if not path.is_file():
            return None
        try:
            card = RankerCard.model_validate_json(path.read_bytes())
        except ValidationError as exc:
            raise BundleError(
                f"expected the card of a ranker in {path}, found {exc.error_count()} errors, the first: "
                f"{exc.errors()[0]['msg']}; build the bundle again"
            ) from exc
        folder, real = bundle / "tabular", np.float32
        groups = load_array(folder / "group_events.npy", real, (None,))
        facts = Facts(
            load_array(folder / "events.npy", real, (n,)), load_array(folder / "liked.npy", real, (n,)),
            load_array(folder / "lengths.npy", real, (n,)), load_array(folder / "clusters.npy", real, (n, None)),
            groups, load_array(folder / "group_liked.npy", real, (len(groups),)),
        )  # fmt: skip
        return cls(card, facts)

    def save(self, folder: Path) -> None:
        """Write the part into the folder of a run or a bundle."""
        (folder / "tabular").mkdir(parents=True, exist_ok=True)
        for name in Facts.__slots__:
            array = np.ascontiguousarray(getattr(self.facts, name), np.float32)
            np.save(folder / "tabular" / f"{name}.npy", array, allow_pickle=False)
        (folder / NAME).write_text(json.dumps(self.card.model_dump(), indent=1) + "\n", "utf-8")
