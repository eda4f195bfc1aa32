"""Users and events for a real catalogue that comes without any: people with known tastes over its features.

The people and their walks are those of the simulated shop (`catalog.simulated`). Here every value of every
declared taste gets a place in the latent space, an item sits at the mean of its values' places, and what
somebody does about an item that they meet follows from how they feel about it: of the declared types, the
last one is for the most enthusiastic events. Searches use words of the item that is met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.dataset import Part, Row
from catalog.declaration import Behaviour
from catalog.records import FeatureValue, Interaction, Item, ItemId
from catalog.schema import InteractionType
from catalog.simulated.behaviour import Reaction, World, make_behaviour
from catalog.simulated.people import user_id, user_records
from catalog.simulated.world import LATENT, Ints, Reals, make_people, popularity, stream

NOISE = 0.25
"""Standard deviation of what an item has of its own, beside its features' places."""
WHIM = 1.0
"""Standard deviation of what decides on the type of an event beside feelings."""
WORD = re.compile(r"[^\W\d_]{3,}")
FILLERS = frozenset({"and", "for", "the", "with", "from", "set", "pack", "new"})
USERS, EVENTS = "made-up users", "made-up events"


@dataclass(frozen=True, slots=True)
class CatalogueWares:
    """`catalog.simulated.behaviour.Wares` of real items."""

    ids: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    """What one might search each item by."""
    group: Ints
    groups: int
    shelf: Ints
    places: Reals
    quality: Reals
    popularity: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of items."""
        return len(self.ids)

    @classmethod
    def of(cls, behaviour: Behaviour, items: Iterable[Item]) -> CatalogueWares:
        """Put the items where their features say."""
        places = _Places(behaviour.seed)
        codes: dict[str, list[int]] = {name: [] for name in (behaviour.group, *behaviour.tastes)}
        numbers: dict[str, dict[str, int]] = {name: {} for name in codes}
        ids, words, rows = [], [], []
        for item in items:
            values = {name: _values(item.features.get(name)) for name in codes}
            for name, found in values.items():
                codes[name].append(numbers[name].setdefault(found[0], len(numbers[name])))
            ids.append(str(item.item_id))
            words.append(
                (values[behaviour.group][0].lower(), *dict.fromkeys(WORD.findall(item.title.lower())))
            )
            rows.append(np.mean([places.of(name, values[name]) for name in behaviour.tastes], axis=0))
        rng, n = stream(behaviour.seed, "wares"), len(ids)
        own = rng.normal(0, NOISE, (n, LATENT))
        columns = {name: np.array(found, np.int64) for name, found in codes.items()}
        return cls(
            tuple(ids),
            tuple(words),
            columns[behaviour.group],
            len(numbers[behaviour.group]),
            np.lexsort((*(columns[name] for name in reversed(behaviour.tastes)), columns[behaviour.group])),
            (np.sqrt(len(behaviour.tastes)) * np.array(rows).reshape(n, LATENT) + own).astype(np.float32),
            np.clip(rng.normal(0, 0.35, n), -1, 1).astype(np.float32),
            popularity(rng, n),
        )


class _Places:
    """A place in the latent space for every value of every feature, whatever else there is."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[tuple[str, str], NDArray[np.float64]] = {}

    def of(self, name: str, values: tuple[str, ...]) -> NDArray[np.float64]:
        """The mean place of some values of a feature."""
        for value in values:
            if (name, value) not in self._known:
                self._known[name, value] = stream(self._seed, f"{name}={value}").normal(size=LATENT)
        return np.asarray(np.mean([self._known[name, value] for value in values], axis=0))


def _values(value: FeatureValue) -> tuple[str, ...]:
    """The categories of an item; an empty one where nothing is known."""
    found = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
    return found or ("",)


def made_up_parts(
    behaviour: Behaviour, types: dict[str, InteractionType], items: Callable[[], Iterator[Item]]
) -> list[Part]:
    """Users and events; the items are read once more when the events are asked for."""

    def users() -> Iterator[Row]:
        return user_records(make_people(behaviour.users, behaviour.seed))

    def events() -> Iterator[Row]:
        wares = CatalogueWares.of(behaviour, items())
        return _events(behaviour, types, wares) if len(wares) else iter(())

    return [
        Part("users", USERS, users, behaviour.users),
        Part("interactions", EVENTS, events, behaviour.events),
    ]


def _events(
    behaviour: Behaviour, types: Mapping[str, InteractionType], wares: CatalogueWares
) -> Iterator[Row]:
    world = World(wares, make_people(behaviour.users, behaviour.seed), behaviour.events, behaviour.seed)
    names = list(behaviour.shares)
    log = make_behaviour(world, _reaction(behaviour, [types[name].query for name in names]))
    picks = stream(behaviour.seed, "searches").random((len(log), 2))
    for number in range(len(log)):
        kind, item = names[log.types[number]], int(log.items[number])
        user, time = user_id(int(log.users[number])), float(log.times[number])
        if types[kind].query:
            words = _search(wares.words[item], *picks[number])
            yield Interaction(user, ItemId(""), kind, time, sequence=number + 1, query=words)
        else:
            yield Interaction(user, ItemId(wares.ids[item]), kind, time, sequence=number + 1)


def _reaction(behaviour: Behaviour, is_query: Sequence[bool]) -> Reaction:
    """Searches come at any time; else the more a person likes what they see, the later the type in the list."""
    shares = np.array(list(behaviour.shares.values()))
    shares = shares / shares.sum()
    queries, others = np.flatnonzero(is_query), np.flatnonzero(~np.array(is_query))

    def react(
        world: World, users: Ints, items: Ints, feelings: Reals, rng: np.random.Generator
    ) -> tuple[Ints, Reals]:
        types = np.zeros(len(users), np.int64)
        if len(others):
            warmth = feelings + rng.normal(0, WHIM, len(users))
            rank = np.argsort(np.argsort(warmth)) / max(len(users), 1)
            edges = np.cumsum(shares[others]) / shares[others].sum()
            types = others[np.minimum(np.searchsorted(edges, rank, side="right"), len(others) - 1)]
        chance, edge = rng.random(len(users)), 0.0
        for query in queries:
            types[(chance >= edge) & (chance < edge + shares[query])] = query
            edge += float(shares[query])
        return types, np.full(len(users), np.nan, np.float32)

    return react


def _search(words: Sequence[str], first: float, second: float) -> str:
    """What somebody types who looks for an item: its group, a word of its title, or two."""
    group, *title = words
    if not title or (group and first < 0.3):
        return group or "anything"
    if second < 0.3:
        return title[int(first * len(title))]
    begin = int(first * max(len(title) - 1, 1))
    return " ".join(title[begin : begin + 2])
