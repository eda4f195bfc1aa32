"""What the service answers, as frozen dataclasses with the names that the JSON has.

Fields with a default are those that an answer may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Likeness:
    """An item that another one is like."""

    item_id: str
    title: str
    similarity: float
    """Cosine of the two items' vectors, -1 … 1."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Of all that speaks for an item, the share of each part; they add up to 1."""

    text: float
    image: float
    behaviour: float
    features: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item is there."""

    item_id: str
    """Of the history's item that it is most like."""
    title: str
    similarity: float
    history: tuple[Likeness, ...]
    """The most similar items of the history, that one first."""
    shares: Shares | None
    """None where the model carries no content vectors."""


@dataclass(frozen=True, slots=True)
class ByModality:
    """Cosines of two items, -1 … 1; None where one has nothing to compare."""

    text: float | None
    image: float | None
    behaviour: float | None


@dataclass(frozen=True, slots=True)
class RankedItem:
    """One item of a ranked list."""

    item_id: str
    score: float | None
    """Higher is better; None for an unknown item."""
    source: str
    metadata: Mapping[str, Any]
    rating: float | None = None
    """Predicted, where the model predicts ratings."""
    likeness: ByModality | None = None
    explanation: Explanation | None = None
    unknown: bool = False
    """Whether the id is not in the catalogue."""


@dataclass(frozen=True, slots=True)
class RankedList:
    """Items for a user, best first."""

    user_id: str
    items: tuple[RankedItem, ...]
    request_id: str
    model_version: str
    latency_ms: float
    degraded: bool
    """Whether a part of the service was done without."""
    degraded_reason: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SimilarItems:
    """What is like an item, most alike first."""

    item_id: str
    items: tuple[RankedItem, ...]
    request_id: str
    model_version: str
    latency_ms: float
    degraded: bool


@dataclass(frozen=True, slots=True)
class FoundItem:
    """One item that a search found."""

    item_id: str
    score: float
    """Of fused ranks; above 1 where the item's very name was asked for."""
    source: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """What a search found, best first."""

    query: str
    items: tuple[FoundItem, ...]
    request_id: str
    model_version: str
    latency_ms: float
    degraded: bool
    degraded_reason: tuple[str, ...] = ()
    expanded: Mapping[str, Any] | None = None
    """With `explain`: by word of the query, what was searched for besides."""
    fallback_reason: str | None = None
    """Why these are not what was asked for: nothing matched."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One interaction that was refused; the others were not."""

    index: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of recorded interactions."""

    accepted: int
    """Those that are stored now; those that already were included."""
    errors: tuple[RowProblem, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One stored interaction."""

    item_id: str
    type: str
    value: float | None
    timestamp: str
    """ISO-8601, UTC."""
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Events:
    """A user's interactions, latest first."""

    user_id: str
    interactions: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class WrittenItem:
    """What became of an item that was sent."""

    item_id: str
    created: bool
    available: bool
    text: bool
    """Whether there is a text that is read,"""
    image: bool
    """and a picture that is looked at."""
    encoded: tuple[str, ...]
    """`text`, `image`: what was encoded now; the rest was known."""
    request_id: str
    model_version: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item's record."""

    item_id: str
    title: str
    text: str
    image: bool
    features: Mapping[str, Any]
    available: bool
    updated: str
    """ISO-8601, UTC."""


@dataclass(frozen=True, slots=True)
class RemovedItem:
    """That an item is gone from every answer."""

    item_id: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class WrittenUser:
    """What became of a user that was sent."""

    user_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user's record."""

    user_id: str
    features: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ForgottenUser:
    """That a user is forgotten."""

    user_id: str
    deleted: bool
    interactions: int
    """How many went with the record."""


@dataclass(frozen=True, slots=True)
class UserIds:
    """Some users of the model."""

    users: tuple[str, ...]
    total: int
    """Of all that match."""


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """One category, and how many items it has."""

    name: str
    items: int


@dataclass(frozen=True, slots=True)
class FeatureKind:
    """One declared side feature."""

    kind: str
    """`categorical`, `multi` or `numeric`."""


@dataclass(frozen=True, slots=True)
class Gesture:
    """An interaction that stands for what somebody does on a page."""

    type: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Gestures:
    """What to record when somebody likes, dismisses or opens an item; None where the data set has nothing for it."""

    like: Gesture | None
    dismiss: Gesture | None
    open: Gesture | None


@dataclass(frozen=True, slots=True)
class Described:
    """The data set that a service answers from."""

    dataset: str
    title: str
    model_version: str
    items: int
    users: int
    """Known to the model; others are recommended to as well."""
    category: str | None
    """The item feature that categories mean."""
    categories: tuple[CategoryCount, ...]
    """Largest first."""
    item_features: Mapping[str, FeatureKind]
    user_features: Mapping[str, FeatureKind]
    gestures: Gestures
    reads: bool
    """Whether texts are searched by meaning."""
    looks: bool
    """Whether pictures can be searched by."""
    picture_ratio: float
    """Width by height of most pictures; 1 where there are none."""


@dataclass(frozen=True, slots=True)
class ModelChange:
    """One step in the life of a model version."""

    at: str
    """ISO-8601, UTC."""
    state: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Model:
    """One version."""

    version: str
    state: str
    """`candidate`, `serving`, `retired` or `refused`."""
    reason: str
    created: str | None
    """None where its folder is gone or cannot be read; so are the next two."""
    counts: Mapping[str, Any] | None
    rank_by: str | None
    metrics: Mapping[str, Any]
    """Offline figures."""
    changes: tuple[ModelChange, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A promoted version that a worker did not open, since it does not verify."""

    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Models:
    """The registry."""

    dataset: str
    promoted: str | None
    """What workers answer with, or are about to."""
    answering: str | None
    """What the worker that was asked answers with."""
    refused: Refused | None
    """Why that is not what is promoted, where it does not verify."""
    models: tuple[Model, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Switched:
    """Which version answers now."""

    version: str
    before: str | None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service answers."""

    status: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Which model answers, and whether its store does."""

    status: str
    model_version: str
    store: str
    """`up` or `down`: without it reads are answered from the bundle alone."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with a request."""

    field: str
    """Where, as in `body.user_id`."""
    message: str
    found: Any = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no success (RFC 9457)."""

    title: str
    status: int
    detail: str
    instance: str = ""
    request_id: str = ""
    errors: tuple[FieldProblem, ...] = ()
