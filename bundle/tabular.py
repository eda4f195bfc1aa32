"""What a tabular ranker's bundle holds beside its graph: the names of its features, and what they read of the items.

ranker.json        kind, names of the features in order, what each is worth to the model, which of them leak
tabular/*.npy      the counts of training that running statistics go on from; what is known of the items' texts
tabular/words.json, see `bundle.themes`: how texts of items that come later are described
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.columns import load_array
from bundle.themes import Themes
from catalog.errors import BundleError
from catalog.records import Floats, Item

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
class Texts:
    """What is known of the texts of n items."""

    lengths: Floats
    """[n] characters."""
    clusters: Floats
    """[n, c] distances to the centres of c clusters; c may be 0."""

    @classmethod
    def of(cls, texts: Sequence[str], clusters: Floats) -> Texts:
        """Texts, and where they lie."""
        return cls(np.array([len(text) for text in texts], np.float32), clusters)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of n items, of t item tokens and of u user tokens at the end of training."""

    events: Floats
    """[n] events."""
    liked: Floats
    """[n] events that say liked."""
    texts: Texts
    category_events: Floats
    """[t] events with items that have the token; t is 1 in bundles of before they were counted."""
    category_liked: Floats
    """[t]"""
    group_events: Floats
    """[u] events of users with the token."""
    group_liked: Floats
    """[u]"""


@dataclass(frozen=True, slots=True)
class Tabular:
    """The part of a bundle whose ranker is tabular."""

    card: RankerCard
    facts: Facts
    themes: Themes | None
    """None where texts have no clusters, and in bundles of before they were kept."""

    def texts_of(self, items: Sequence[Item]) -> Texts:
        """What the texts of items say that came since; without themes they are taken to be as far as all others."""
        texts = [text_of(item) for item in items]
        if self.themes is not None:
            return Texts.of(texts, self.themes.distances(texts))
        known = self.facts.texts.clusters
        usual = known.mean(0) if len(known) else np.zeros(known.shape[1])
        return Texts.of(texts, np.tile(usual, (len(items), 1)).astype(np.float32))

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
        events = liked = np.zeros(1, real)
        if (folder / "category_events.npy").is_file():
            events = load_array(folder / "category_events.npy", real, (None,))
            liked = load_array(folder / "category_liked.npy", real, (len(events),))
        lengths = load_array(folder / "lengths.npy", real, (n,))
        texts = Texts(lengths, load_array(folder / "clusters.npy", real, (n, None)))
        facts = Facts(
            load_array(folder / "events.npy", real, (n,)), load_array(folder / "liked.npy", real, (n,)),
            texts, events, liked, groups, load_array(folder / "group_liked.npy", real, (len(groups),)),
        )  # fmt: skip
        return cls(card, facts, Themes.open(folder))

    def save(self, folder: Path) -> None:
        """Write the part into the folder of a run or a bundle."""
        (folder / "tabular").mkdir(parents=True, exist_ok=True)
        facts, texts = self.facts, self.facts.texts
        arrays = {
            "events": facts.events, "liked": facts.liked, "lengths": texts.lengths, "clusters": texts.clusters,
            "category_events": facts.category_events, "category_liked": facts.category_liked,
            "group_events": facts.group_events, "group_liked": facts.group_liked,
        }  # fmt: skip
        for name, array in arrays.items():
            np.save(
                folder / "tabular" / f"{name}.npy",
                np.ascontiguousarray(array, np.float32),
                allow_pickle=False,
            )
        if self.themes is not None:
            self.themes.save(folder / "tabular")
        (folder / NAME).write_text(json.dumps(self.card.model_dump(), indent=1) + "\n", "utf-8")


def text_of(item: Item) -> str:
    """What an item says, as its length and its cluster are taken of it."""
    return f"{item.title} {item.text}".strip()
