"""The simulated shop: what its items are, who its people are, and what they like.

Every value of every attribute has a place in a small latent space. An item sits where its attributes put
it, a person where country, age, gender and chance put them, and moves over the year. Attraction is the
inner product. Nobody outside this package sees these places: models must find them from events, words and
pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import ConfigError

CATEGORIES = (
    "lamp", "chair", "rug", "mug", "clock", "vase", "cushion", "poster", "bowl", "blanket", "bag", "plate",
)  # fmt: skip
STYLES = ("rustic", "minimal", "retro", "playful", "elegant", "industrial", "coastal", "botanical")
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black")
PATTERNS = ("plain", "striped", "dotted", "checked", "wavy", "faded")
SHAPES = ("round", "square", "diamond", "triangular", "ring", "star", "oval", "cross")
MATERIALS = ("oak", "linen", "steel", "clay", "glass", "wool", "leather", "cork")
TAGS = ("bedroom", "kitchen", "office", "garden", "gift", "handmade", "recycled", "limited")
COUNTRIES = ("DE", "FR", "GB", "US", "JP", "BR", "IN", "NO")
GENDERS = ("f", "m", "x")

LATENT = 16
PERIODS = 8
"""Stretches of the year between which popularity shifts."""
BEGIN, DAYS = 1_704_067_200, 366
"""2024-01-01T00:00:00Z and the length of the simulated time."""

Ints = NDArray[np.int64]
Reals = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Size:
    """How large the simulated catalogue is, and which one of that size."""

    items: int = 2_000
    users: int = 1_500
    events: int = 100_000
    seed: int = 7
    pictures: int = 20_000
    """At most so many items have a picture: the first ones."""

    def __post_init__(self) -> None:
        least = {"items": 50, "users": 10, "events": 100, "seed": 0, "pictures": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ConfigError(
                    f"{name} = {getattr(self, name)} is too small to simulate; at least {bound}"
                )


@dataclass(frozen=True, slots=True)
class Goods:
    """All items in columns. Attribute columns hold positions in the tuples above."""

    category: Ints
    style: Ints
    colour: Ints
    pattern: Ints
    shape: Ints
    material: Ints
    tags: NDArray[np.bool_]
    """[items, len(TAGS)]"""
    price: NDArray[np.float64]
    quality: Reals
    """What ratings of the item have in common, about -1 … 1."""
    popularity: NDArray[np.float64]
    """[PERIODS, items], Zipf in each; 0 before an item is on sale."""
    places: Reals
    """[items, LATENT]"""

    def __len__(self) -> int:
        """Number of items."""
        return len(self.category)

    @property
    def group(self) -> Ints:
        """Category and style in one number: what a visit to the shop is about."""
        return self.category * len(STYLES) + self.style

    @property
    def groups(self) -> int:
        """How many such numbers there are."""
        return len(CATEGORIES) * len(STYLES)

    @property
    def shelf(self) -> Ints:
        """All items, those of a group side by side, and in it the alike ones: by colour, pattern, material."""
        return np.lexsort((self.material, self.pattern, self.colour, self.group))


@dataclass(frozen=True, slots=True)
class People:
    """All users in columns."""

    age: Ints
    gender: Ints
    """Position in GENDERS, or -1 where it was not told."""
    country: Ints
    joined: NDArray[np.float64]
    """0 … 1 of the simulated time."""
    activity: NDArray[np.float64]
    """Relative number of events, heavy-tailed."""
    mood: Reals
    """What the ratings of one person have in common."""
    early: Reals
    """[users, LATENT]: taste at the beginning …"""
    late: Reals
    """… and at the end."""

    def __len__(self) -> int:
        """Number of users."""
        return len(self.age)

    def taste(self, rows: Ints, when: NDArray[np.floating[Any]]) -> Reals:
        """Taste `[n, LATENT]` of users at times in 0 … 1: unit vectors on the arc from early to late."""
        share = when[:, None].astype(np.float32)
        return unit(self.early[rows] * (1 - share) + self.late[rows] * share)


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one purpose: what is drawn for one never shifts what is drawn for another."""
    return np.random.default_rng([seed, *name.encode()])


def unit(vectors: NDArray[np.floating[Any]]) -> Reals:
    """Rows of length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def make_goods(size: Size) -> Goods:
    """Draw the items."""
    rng, n = stream(size.seed, "goods"), size.items
    category = rng.choice(len(CATEGORIES), n, p=_falling(len(CATEGORIES), 0.5))
    style = rng.integers(0, len(STYLES), n)
    colour = rng.integers(0, len(COLOURS), n)
    pattern = rng.integers(0, len(PATTERNS), n)
    material = rng.integers(0, len(MATERIALS), n)
    # A lamp is mostly round, a poster mostly square: pictures tell the category, but not all of it.
    favourite = rng.integers(0, len(SHAPES), (len(CATEGORIES), 2))
    shape = np.where(
        rng.random(n) < 0.8, favourite[category, rng.integers(0, 2, n)], rng.integers(0, len(SHAPES), n)
    )
    parts = ((category, 12, 1.0), (style, 8, 1.0), (colour, 10, 0.6), (pattern, 6, 0.4), (material, 8, 0.4))
    places = rng.normal(0, 0.25, (n, LATENT)).astype(np.float32)
    for column, values, weight in parts:
        table = rng.normal(size=(values, LATENT))
        places += (weight * (table - table.mean(0))[column]).astype(np.float32)
    tags = rng.random((n, len(TAGS))) < 0.1 + 0.4 * (rng.random((len(STYLES), len(TAGS))) ** 2)[style]
    premium = np.exp(rng.normal(0, 0.6, len(CATEGORIES)))[category] * np.exp(rng.normal(0, 0.2, 8))[style]
    price = np.round(18 * premium * np.exp(rng.normal(0, 0.35, n)), 2)
    return Goods(
        category, style, colour, pattern, shape, material, tags, price,
        np.clip(rng.normal(0, 0.35, n), -1, 1).astype(np.float32), popularity(rng, n), places,
    )  # fmt: skip


def popularity(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """`[PERIODS, n]`: Zipf over items, with ups and downs; one item in five goes on sale during the year."""
    base = 1 / (rng.permutation(n) + 10.0) ** 0.9
    waves = np.cumsum(rng.normal(0, 0.25, (PERIODS, n)).astype(np.float32), axis=0)
    released = np.where(rng.random(n) < 0.2, rng.integers(1, PERIODS, n), 0)
    weights = base * np.exp(waves) * (released <= np.arange(PERIODS)[:, None])
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def make_people(n: int, seed: int) -> People:
    """Draw `n` users."""
    rng = stream(seed, "people")
    age = np.clip(rng.gamma(6, 4, n) + 16, 16, 90).astype(np.int64)
    gender = rng.choice(3, n, p=[0.48, 0.48, 0.04])
    country = rng.choice(len(COUNTRIES), n, p=_falling(len(COUNTRIES), 0.7))
    common = rng.normal(size=(len(COUNTRIES), LATENT))[country]
    common += 1.2 * rng.normal(size=(6, LATENT))[np.clip((age - 16) // 10, 0, 5)]
    common += 0.5 * rng.normal(size=(3, LATENT))[gender]
    early = unit(unit(common) + 1.1 * unit(rng.normal(size=(n, LATENT))))
    late = unit(early + 0.7 * unit(rng.normal(size=(n, LATENT))))
    told = np.where(rng.random(n) < 0.93, gender, -1)
    joined = np.where(rng.random(n) < 0.5, 0.0, rng.random(n) * 0.8)
    activity = np.exp(rng.normal(0, 0.8, n))
    mood = rng.normal(0, 0.3, n).astype(np.float32)
    return People(age, told, country, joined, activity, mood, early, late)


def _falling(count: int, power: float) -> NDArray[np.float64]:
    """Probabilities proportional to 1 / rank^power."""
    weights = 1 / np.arange(1, count + 1) ** power
    return np.asarray(weights / weights.sum())
