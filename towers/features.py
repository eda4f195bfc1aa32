"""Records in, arrays out: every number that a tower or the ranker reads is computed here, once.

Training and serving call the same functions on the same `features.json`, which is the only cure for
train/serve skew. numpy only: with `towers.cross` it is all of the towers that serving imports. It knows nothing of
networks, stores or HTTP.

Side features become *tokens*: every categorical value, every member of a set and every bucket of a number is
one entry of a shared vocabulary, so a tower reads them all through one embedding table. Token 0 is padding;
each feature has its own token for "missing or never seen in training".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import BundleError
from catalog.records import FeatureValue, Floats, History, Ints, Item, User
from catalog.schema import DatasetSchema, Feature, Kind

Int32s = NDArray[np.int32]

HISTORY = 50
"""Events that the user tower reads."""
RATED = 128
"""Events with a value that the rating head attends to."""
MAX_VOCABULARY = 50_000
MAX_SET = 8
"""Members of a multi-valued feature that are read; the rest, rarest last, are left out."""
GAP_EDGES = (1.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 172800.0, 604800.0, 2592000.0, 15552000.0)
"""Seconds since the previous event; the first event of a history counts as the longest gap."""
CROSS_1 = ("similarity", "covisitation", "affinity", "liked_affinity", "popularity", "activity")
"""The cross features of bundles that do not name theirs."""


@dataclass(frozen=True, slots=True)
class Field:
    """How one side feature becomes tokens, and a number where it is one."""

    name: str
    kind: Kind
    first_token: int
    """The token of "missing or unknown"; value v has token first_token + 1 + v."""
    slots: int
    values: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {value: i for i, value in enumerate(self.values)})

    @property
    def tokens(self) -> int:
        """How many tokens the field takes, the unknown one included."""
        return 1 + (len(self.edges) + 1 if self.kind == "numeric" else len(self.values))

    def encode(self, value: FeatureValue) -> list[int]:
        """Tokens of one value: between one and `slots` of them."""
        unknown = [self.first_token]
        if value is None:
            return unknown
        if self.kind == "numeric":
            number = as_number(value)
            if number is None:
                return unknown
            return [self.first_token + 1 + int(np.searchsorted(self.edges, number, side="right"))]
        members = value if isinstance(value, tuple) else (str(value),)
        known = [self.first_token + 1 + self._index[m] for m in members if m in self._index]
        return known[: self.slots] or unknown


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """Vocabularies, bucket edges and scales, fitted on training data and then frozen."""

    items: tuple[Field, ...]
    users: tuple[Field, ...]
    value_ranges: tuple[tuple[float, float] | None, ...]
    """Per interaction type: the range of its values, None where it has none."""
    liked_from: tuple[float | None, ...]
    type_weights: tuple[float, ...]
    history: int = HISTORY
    rated: int = RATED
    cross_features: tuple[str, ...] = CROSS_1
    """What the ranker reads of `towers.cross`, in order."""
    version: str = ""

    # -- fitting -----------------------------------------------------------------------------------------

    @classmethod
    def fit(
        cls,
        schema: DatasetSchema,
        items: Iterable[Item],
        users: Iterable[User],
        history: int = HISTORY,
        cross_features: tuple[str, ...] = CROSS_1,
    ) -> FeatureSpace:
        """Learn vocabularies and bucket edges from records; deterministic, whatever their order."""
        kinds = schema.interactions.values()
        return cls(
            items=_fit_fields(schema.items, (item.features for item in items)),
            users=_fit_fields(schema.users, (user.features for user in users)),
            value_ranges=tuple(kind.bounds for kind in kinds),
            liked_from=tuple(kind.positive_from for kind in kinds),
            type_weights=tuple(kind.weight for kind in kinds),
            history=history,
            cross_features=cross_features,
        )

    # -- storing -----------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write `features.json`."""
        document = asdict(self)
        for one in (*document["items"], *document["users"]):
            del one["_index"]
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> FeatureSpace:
        """Read `features.json`; BundleError where it is not one."""
        try:
            document: dict[str, Any] = json.loads(path.read_text("utf-8"))
            for side in ("items", "users"):
                document[side] = tuple(
                    Field(**{**one, "values": tuple(one["values"]), "edges": tuple(one["edges"])})
                    for one in document[side]
                )
            document["value_ranges"] = tuple(tuple(r) if r else None for r in document["value_ranges"])
            document["liked_from"] = tuple(document["liked_from"])
            document["type_weights"] = tuple(document["type_weights"])
            document["cross_features"] = tuple(document.get("cross_features", CROSS_1))
            return cls(**document)
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise BundleError(
                f"expected a feature space in {path}, found {type(exc).__name__}: {exc}; "
                "rebuild the bundle with `towerbridge build`"
            ) from exc

    # -- sizes -------------------------------------------------------------------------------------------

    @property
    def item_slots(self) -> int:
        """Columns of an item's tokens."""
        return max(1, sum(one.slots for one in self.items))

    @property
    def user_slots(self) -> int:
        """Columns of a user's tokens."""
        return max(1, sum(one.slots for one in self.users))

    @property
    def item_tokens(self) -> int:
        """Size of the items' token vocabulary, padding included."""
        return 1 + sum(one.tokens for one in self.items)

    @property
    def user_tokens(self) -> int:
        """Size of the users' token vocabulary, padding included."""
        return 1 + sum(one.tokens for one in self.users)

    @property
    def numbers(self) -> int:
        """Columns of an item's numeric features; at least one, so that graphs have no empty input."""
        return max(1, sum(one.kind == "numeric" for one in self.items))

    @property
    def types(self) -> int:
        """Number of interaction types."""
        return len(self.value_ranges)

    # -- arrays ------------------------------------------------------------------------------------------

    def item_inputs(self, items: Sequence[Item]) -> tuple[Int32s, Floats]:
        """Tokens `[n, item_slots]` and standardised numbers `[n, numbers]` of items."""
        tokens = np.zeros((len(items), self.item_slots), np.int32)
        numeric = np.zeros((len(items), self.numbers), np.float32)
        for i, item in enumerate(items):
            tokens[i] = _tokens(self.items, item.features, self.item_slots)
            column = 0
            for one in self.items:
                if one.kind == "numeric":
                    number = as_number(item.features.get(one.name))
                    numeric[i, column] = 0.0 if number is None else (number - one.mean) / one.std
                    column += 1
        return tokens, numeric

    def user_inputs(self, user: User | None, user_row: int) -> dict[str, Int32s]:
        """`user_row [1]` (0 = no id embedding) and `user_tokens [1, user_slots]`, unknown for a stranger."""
        features = user.features if user else {}
        tokens = _tokens(self.users, features, self.user_slots)[None, :]
        return {"user_row": np.array([user_row], np.int32), "user_tokens": tokens}

    def history_inputs(self, history: History, vectors: Floats) -> dict[str, NDArray[Any]]:
        """The last events as the user tower reads them, leading axis 1, padded on the left.

        Args:
            history: one user's events, oldest first.
            vectors: item vectors `[items, dim]`, gathered by the history's rows.
        """
        recent = history.last(self.history)
        empty = self.history - len(recent)
        out = {
            "history_vectors": np.zeros((1, self.history, vectors.shape[1]), np.float32),
            "history_types": np.zeros((1, self.history), np.int32),
            "history_values": np.zeros((1, self.history), np.float32),
            "history_gaps": np.zeros((1, self.history), np.int32),
        }
        if len(recent):
            # `take` gathers rows of a matrix in a third of the time of an index.
            out["history_vectors"][0, empty:] = vectors.take(recent.rows, 0)
            out["history_types"][0, empty:] = recent.types
            out["history_values"][0, empty:] = self.scaled_values(recent.types, recent.values)
            # One event more than is read, so that the first one's gap is known too.
            out["history_gaps"][0, empty:] = time_gaps(history.times[-len(recent) - 1 :])[-len(recent) :]
        return out

    def scaled_values(self, types: Ints, values: Floats) -> Floats:
        """Values `[n]` brought to -1 … 1 by the declared range of their type; 0 where there is none."""
        middle = np.zeros(self.types + 1, np.float32)
        half = np.ones(self.types + 1, np.float32)
        for code, bounds in enumerate(self.value_ranges, start=1):
            if bounds:
                middle[code], half[code] = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2
        scaled = (values - middle[types]) / half[types]
        scaled[np.isnan(scaled)] = 0.0
        # np.clip says the same and takes several times as long on so few numbers.
        bounded: Floats = np.minimum(np.maximum(scaled, -1.0), 1.0).astype(np.float32)
        return bounded

    def rated_inputs(self, history: History, embedding_rows: Int32s) -> dict[str, NDArray[Any]]:
        """The last events that carry a value: `rated_rows [1, rated]` (0 = padding) and `rated_values`."""
        where = np.flatnonzero(~np.isnan(history.values))[-self.rated :]
        rows = np.zeros((1, self.rated), np.int32)
        values = np.zeros((1, self.rated), np.float32)
        if len(where):
            rows[0, -len(where) :] = embedding_rows[history.rows[where]]
            values[0, -len(where) :] = history.values[where]
        return {"rated_rows": rows, "rated_values": values}


def time_gaps(times: NDArray[np.float64]) -> Int32s:
    """Bucket `[n]` of the time since the previous event; the first has the longest."""
    gaps = np.full(len(times), np.inf)
    gaps[1:] = np.maximum(np.diff(times), 0.0)
    return np.searchsorted(GAP_EDGES, gaps, side="right").astype(np.int32)


def as_number(value: FeatureValue) -> float | None:
    """The finite number that a feature value stands for, or None."""
    if isinstance(value, tuple) or value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _tokens(fields: Sequence[Field], features: Mapping[str, FeatureValue], width: int) -> Int32s:
    row = np.zeros(width, np.int32)
    at = 0
    for one in fields:
        tokens = one.encode(features.get(one.name))
        row[at : at + len(tokens)] = tokens
        at += one.slots
    return row


def _fit_fields(
    declared: Mapping[str, Feature], records: Iterable[Mapping[str, FeatureValue]]
) -> tuple[Field, ...]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in declared}
    numbers: dict[str, list[float]] = {name: [] for name in declared}
    longest: dict[str, int] = dict.fromkeys(declared, 1)
    for features in records:
        for name, feature in declared.items():
            value = features.get(name)
            if value is None:
                continue
            if feature.kind == "numeric":
                number = as_number(value)
                if number is not None:
                    numbers[name].append(number)
            else:
                members = value if isinstance(value, tuple) else (str(value),)
                counts[name].update(members)
                longest[name] = max(longest[name], len(members))
    fields: list[Field] = []
    first = 1
    for name, feature in declared.items():
        if feature.kind == "numeric":
            known = np.array(numbers[name] or [0.0])
            inner = np.unique(np.quantile(known, np.linspace(0, 1, feature.buckets + 1)[1:-1]))
            one = Field(
                name, feature.kind, first, 1, edges=tuple(float(e) for e in inner),
                mean=float(known.mean()), std=float(known.std()) or 1.0,
            )  # fmt: skip
        else:
            ranked = sorted(counts[name], key=lambda v: (-counts[name][v], v))[:MAX_VOCABULARY]
            slots = min(longest[name], MAX_SET) if feature.kind == "multi" else 1
            one = Field(name, feature.kind, first, slots, values=tuple(ranked))
        fields.append(one)
        first += one.tokens
    return tuple(fields)
