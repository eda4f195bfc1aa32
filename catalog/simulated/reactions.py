"""What the people of the simulated shop do about an item that they meet: look, like, rate or dismiss it."""

from __future__ import annotations

import numpy as np

from catalog.simulated.behaviour import World
from catalog.simulated.world import Ints, Reals

TYPES = ("view", "like", "rating", "dismiss")
VIEW, LIKE, RATING, DISMISS = range(4)


def react(
    world: World, users: Ints, items: Ints, feelings: Reals, rng: np.random.Generator
) -> tuple[Ints, Reals]:
    """Types (positions in TYPES) and values (1 … 5 for ratings, else NaN) of events, `[n]` each.

    Who likes an item likes it; who does not dismisses it or rates it low.
    """
    chance = rng.random(len(users))
    types = np.full(len(users), VIEW)
    types[chance < 0.30] = RATING
    types[(chance >= 0.30) & (chance < 0.30 + 0.30 / (1 + np.exp(-2.5 * feelings)))] = LIKE
    types[(chance > 1 - 0.12 / (1 + np.exp(2.5 * (feelings + 0.8))))] = DISMISS
    stars = 3.5 + 0.95 * feelings + world.people.mood[users] + rng.normal(0, 0.45, len(users))
    values = np.where(types == RATING, np.clip(np.rint(stars), 1, 5), np.nan).astype(np.float32)
    return types, values
