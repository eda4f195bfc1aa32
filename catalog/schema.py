"""What a data set declares about itself: features, interaction types, and what each type means.

The schema travels with the data: from `dataset.toml` into MongoDB at import and into every bundle's
manifest. It knows nothing of files; `catalog.source` describes those.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["categorical", "multi", "numeric"]
Polarity = Literal["positive", "seen", "negative"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class Feature(BaseModel):
    """One side feature of items or users."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    buckets: int = Field(default=10, ge=2, le=256, description="quantile buckets of a numeric feature")


class InteractionType(BaseModel):
    """One kind of event and what it says about taste."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(default=1.0, ge=0, description="weight of such an event as a training example")
    polarity: Polarity = "positive"
    value: bool = Field(default=False, description="whether such an event carries a value, as a rating does")
    minimum: float | None = None
    maximum: float | None = None
    positive_from: float | None = Field(default=None, description="a value at least this large means liked")
    query: bool = Field(default=False, description="whether such an event is a search: words, and no item")

    @model_validator(mode="after")
    def _values_are_bounded(self) -> InteractionType:
        if self.value and (self.minimum is None or self.maximum is None or self.minimum >= self.maximum):
            raise ValueError("a type with values needs minimum < maximum")
        if not self.value and (self.minimum, self.maximum, self.positive_from) != (None, None, None):
            raise ValueError("minimum, maximum and positive_from need value = true")
        if self.query and (self.value or self.polarity == "negative"):
            raise ValueError("a query carries no value and rejects nothing")
        return self

    def worth(self, value: float | None = None) -> float:
        """How much one such event speaks for its item: its weight; nothing where it rejects, or liked too little."""
        below = self.positive_from is not None and value is not None and value < self.positive_from
        return 0.0 if self.polarity == "negative" or below else self.weight

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and largest value, or None for a type without values."""
        if self.minimum is None or self.maximum is None:
            return None
        return self.minimum, self.maximum


class BestValue(BaseModel):
    """The numeric item features that say what an item is worth its price."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    discount: Name = Field(description="by which share the price is lowered, 0 to 1")
    rating: Name = Field(description="mean of what buyers gave")
    reviews: Name = Field(description="how many gave something")


class DatasetSchema(BaseModel):
    """The declared shape of one data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    title: str = ""
    items: dict[Name, Feature] = {}
    users: dict[Name, Feature] = {}
    interactions: dict[Name, InteractionType] = Field(min_length=1, max_length=32)
    category: str | None = Field(default=None, description="the item feature that categories mean in the API")
    tree: str | None = Field(
        default=None,
        description="the multi item feature that holds a category and all above it, itself first",
    )
    best_value: BestValue | None = Field(default=None, description="what tells a bargain")
    timed: bool = Field(default=True, description="whether times are real, not just an order of events")
    generated: tuple[str, ...] = Field(default=(), description="what was generated, in sentences for reports")
    missing: tuple[str, ...] = Field(default=(), description="declared tables that were not there")

    @model_validator(mode="after")
    def _category_exists(self) -> DatasetSchema:
        if self.category is not None and (
            self.category not in self.items or self.items[self.category].kind == "numeric"
        ):
            raise ValueError(f"category = {self.category!r} must name a categorical or multi item feature")
        return self

    @model_validator(mode="after")
    def _roles_are_features(self) -> DatasetSchema:
        told = self.best_value.model_dump() if self.best_value is not None else {}
        roles = {f"best_value.{role}": (name, "numeric") for role, name in told.items()}
        if self.tree is not None:
            roles["tree"] = (self.tree, "multi")
        for role, (name, kind) in roles.items():
            if name not in self.items or self.items[name].kind != kind:
                raise ValueError(f"{role} = {name!r} must name a {kind} item feature")
        return self

    def type_code(self, name: str) -> int:
        """The number, from 1, that stands for an interaction type in arrays; 0 where it is not declared."""
        names = list(self.interactions)
        return names.index(name) + 1 if name in self.interactions else 0

    def type_names(self) -> list[str]:
        """Interaction type names; the type with code c is entry c - 1."""
        return list(self.interactions)

    def rating_type(self) -> str | None:
        """The first interaction type that carries a value: what the rating head predicts."""
        return next((name for name, kind in self.interactions.items() if kind.value), None)
