"""What people do in a shop: visits, each about one thing, each event near the one before.

A person's time falls into visits. A visit is about one group of items, chosen by taste at that time and by
what is popular. Within it the person walks: a group's items lie on a circle, each as wide as it
is popular, neighbours alike; a visit starts where taste says and takes small steps. So popularity and taste
both show, and what comes next resembles what came last. One pass of numpy over all
events, in slices of bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.simulated.world import (
    BEGIN,
    DAYS,
    PERIODS,
    Ints,
    People,
    Reals,
    stream,
)

VISIT_GOES_ON = 0.78
STEP = 0.07
"""Standard deviation of a step, in turns of the group's circle."""
STARTS = 8
"""Starting points that a visit chooses among by taste."""
GLANCES, GLANCE = 3, 0.12
"""Items near the walker that each event chooses among by taste, and how far around it they lie."""
TASTE_FOR_GROUPS, TASTE_FOR_ITEMS = 2.2, 2.0
SURPLUS = 2.6
"""So many times more events are drawn than wanted; those that repeat an item go first."""
SLICE = 50_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All events in columns, in order of time."""

    users: Ints
    items: Ints
    types: Ints
    """What the reaction made of them."""
    values: Reals
    """NaN where an event has none."""
    times: Ints
    """Whole seconds since the epoch; no user has two events in one second."""

    def __len__(self) -> int:
        """Number of events."""
        return len(self.users)


class Wares(Protocol):
    """What behaviour depends on of items, in columns."""

    @property
    def group(self) -> Ints:
        """`[items]`: number of the group, from 0; what a visit is about."""

    @property
    def groups(self) -> int:
        """How many groups there are; some may be empty."""

    @property
    def shelf(self) -> Ints:
        """`[items]`: all items, those of a group side by side, and in it the alike ones."""

    @property
    def places(self) -> Reals:
        """`[items, LATENT]`: what there is to like."""

    @property
    def quality(self) -> Reals:
        """`[items]`: what everybody's feelings about the item have in common."""

    @property
    def popularity(self) -> NDArray[np.float64]:
        """`[PERIODS, items]`: share of all attention; 0 before an item is on sale."""

    def __len__(self) -> int:
        """Number of items."""


@dataclass(frozen=True, slots=True)
class World:
    """The shop and its people, with the scale of their attractions."""

    goods: Wares
    people: People
    events: int
    """How many to draw."""
    seed: int

    def attraction(self, users: Ints, items: Ints, when: NDArray[np.floating[Any]]) -> Reals:
        """How much users like items at times in 0 … 1, `[n]`, of about zero mean and unit variance."""
        product = np.einsum("nd,nd->n", self.people.taste(users, when), self.goods.places[items])
        return np.asarray(product / self.scale, np.float32)

    @property
    def scale(self) -> float:
        """Standard deviation of the inner product of a unit taste with an item's place."""
        return float(np.sqrt((self.goods.places.astype(np.float64) ** 2).mean()))


Reaction = Callable[[World, Ints, Ints, Reals, np.random.Generator], tuple[Ints, Reals]]
"""From users, items and feelings about them, `[n]` each, to types and values of the events."""


def make_behaviour(world: World, react: Reaction) -> Behaviour:
    """Draw at most `world.events` events; exactly so many where people have that much to look at."""
    rng = stream(world.seed, "behaviour")
    users = _who(world.people, int(world.events * SURPLUS) + len(world.people), rng)
    starts, visits = _visits(users, rng)
    when = _when(world.people, users, starts, visits, rng)
    items = _what(world, users, starts, visits, when, rng)
    kept = _least_repeated(users, items, world, rng)
    users, items, when = users[kept], items[kept], when[kept]
    times = _distinct_seconds(users, when)
    types, values = react(world, users, items, _feelings(world, users, items, when), rng)
    order = np.lexsort((users, times))
    return Behaviour(users[order], items[order], types[order], values[order], times[order])


def _who(people: People, count: int, rng: np.random.Generator) -> Ints:
    """The user of each event, `[count]`, ascending; everybody gets some, the active ones many more."""
    share = 0.25 / len(people) + 0.75 * people.activity / people.activity.sum()
    return np.repeat(np.arange(len(people)), rng.multinomial(count, share / share.sum()))


def _visits(users: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """First events of the visits, and the visit of each event, numbered from 0."""
    begins = rng.random(len(users)) >= VISIT_GOES_ON
    begins[0] = True
    begins[1:] |= users[1:] != users[:-1]
    return np.flatnonzero(begins), np.cumsum(begins) - 1


def _when(
    people: People, users: Ints, starts: Ints, visits: Ints, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Times in 0 … 1, ascending for each user: visits anywhere after joining, events a minute or so apart."""
    owner = users[starts]
    moment = people.joined[owner] + (1 - people.joined[owner]) * rng.random(len(starts))
    moment = moment[np.lexsort((moment, owner))]
    gaps = rng.exponential(75 / (DAYS * 86_400), len(users))
    walked = np.cumsum(gaps)
    return np.asarray(np.minimum(moment[visits] + walked - walked[starts][visits], 1.0))


def _what(
    world: World, users: Ints, starts: Ints, visits: Ints, when: NDArray[np.float64], rng: np.random.Generator
) -> Ints:
    """The item of each event."""
    circle = _Circle(world.goods)
    period = np.minimum((when * PERIODS).astype(np.int64), PERIODS - 1)
    topic, first = _topics(world, circle, users[starts], when[starts], period[starts], rng)
    steps = rng.normal(0, STEP, len(users))
    steps[starts] = 0
    walked = np.cumsum(steps)
    position = first[visits] + walked - walked[starts][visits]
    found = np.empty(len(users), np.int64)
    for begin in range(0, len(users), SLICE):
        part = slice(begin, begin + SLICE)
        tries = (position[part, None] + rng.normal(0, GLANCE, (len(users[part]), GLANCES))) % 1.0
        taste = world.people.taste(users[part], when[part])
        items, chosen = _choose(world, circle, topic[visits[part]], tries, period[part], taste, rng)
        found[part] = items[np.arange(len(items)), chosen]
    return found


def _choose(
    world: World,
    circle: _Circle,
    group: Ints,
    tries: NDArray[np.float64],
    period: Ints,
    taste: Reals,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Items `[n, tries]` at places on the circle, and which of them taste chooses, `[n]`."""
    wide = tries.shape[1]
    items = circle.items_at(np.repeat(group, wide), tries.ravel(), np.repeat(period, wide)).reshape(
        tries.shape
    )
    liking = np.einsum("nd,nsd->ns", taste, world.goods.places[items]) / world.scale
    return items, (TASTE_FOR_ITEMS * liking + rng.gumbel(size=liking.shape)).argmax(axis=1)


def _topics(
    world: World,
    circle: _Circle,
    users: Ints,
    when: NDArray[np.float64],
    period: Ints,
    rng: np.random.Generator,
) -> tuple[Ints, NDArray[np.float64]]:
    """Group and starting point of each visit, by taste."""
    topic = np.empty(len(users), np.int64)
    first = np.empty(len(users))
    centres = circle.centres / max(float(circle.centres.std()), 1e-9)
    for begin in range(0, len(users), SLICE):
        part = slice(begin, begin + SLICE)
        taste = world.people.taste(users[part], when[part])
        wish = TASTE_FOR_GROUPS * taste @ centres.T + circle.log_mass[period[part]]
        # Adding Gumbel noise and taking the largest draws from the softmax.
        topic[part] = (wish + rng.gumbel(size=wish.shape).astype(np.float32)).argmax(axis=1)
        tries = rng.random((len(taste), STARTS))
        _, chosen = _choose(world, circle, topic[part], tries, period[part], taste, rng)
        first[part] = tries[np.arange(len(tries)), chosen]
    return topic, first


class _Circle:
    """The items of every group on a circle of one turn, each as wide as it is popular in a period."""

    def __init__(self, goods: Wares) -> None:
        group, self.order = goods.group, goods.shelf
        groups = goods.groups
        self.edges = np.searchsorted(group[self.order], np.arange(groups + 1))
        self.heights = np.zeros((PERIODS, len(goods) + 1))
        np.cumsum(goods.popularity[:, self.order], axis=1, out=self.heights[:, 1:])
        mass = np.diff(self.heights[:, self.edges], axis=1)
        with np.errstate(divide="ignore"):
            self.log_mass = np.log(mass).astype(np.float32)
        counts = np.maximum(np.diff(self.edges), 1)[:, None]
        sums = np.zeros((groups, goods.places.shape[1]))
        np.add.at(sums, group, goods.places)
        self.centres: Reals = (sums / counts).astype(np.float32)

    def items_at(self, group: Ints, position: NDArray[np.float64], period: Ints) -> Ints:
        """The items that lie at positions in 0 … 1 of their groups' circles."""
        found = np.empty(len(group), np.int64)
        low, high = self.edges[group], self.edges[group + 1] - 1
        for number in range(PERIODS):
            where = np.flatnonzero(period == number)
            heights = self.heights[number]
            bottom, top = heights[low[where]], heights[high[where] + 1]
            place = np.searchsorted(heights, bottom + position[where] * (top - bottom), side="right") - 1
            found[where] = np.clip(place, low[where], high[where])
        return self.order[found]


def _least_repeated(users: Ints, items: Ints, world: World, rng: np.random.Generator) -> Ints:
    """Which events to keep, ascending: first meetings of user and item before repetitions, chance within."""
    pair = users * len(world.goods) + items
    repeated = np.ones(len(pair), bool)
    repeated[np.unique(pair, return_index=True)[1]] = False
    order = np.lexsort((rng.random(len(pair)), repeated))
    return np.sort(order[: world.events])


def _distinct_seconds(users: Ints, when: NDArray[np.float64]) -> Ints:
    """Times as whole seconds, strictly ascending for each user."""
    seconds = BEGIN + (when * (DAYS * 86_400)).astype(np.int64)
    position = np.arange(len(users))
    apart = users * (1 << 33)  # more than all seconds: users cannot push each other's times
    return np.maximum.accumulate(seconds + apart - position) + position - apart


def _feelings(world: World, users: Ints, items: Ints, when: NDArray[np.float64]) -> Reals:
    """`[n]`: how users feel about items when they meet them: taste, and the quality that all agree on."""
    liking = np.empty(len(users), np.float32)
    for begin in range(0, len(users), SLICE):
        part = slice(begin, begin + SLICE)
        liking[part] = world.attraction(users[part], items[part], when[part])
    liking = (liking - liking.mean()) / max(float(liking.std()), 1e-9)
    feelings: Reals = liking + world.goods.quality[items]
    return feelings
