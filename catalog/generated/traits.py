"""Side features for users of whom nothing is known: drawn by user id, so always the same for the same user.

They follow the declared shares and nothing else: no model can learn from them what people will do.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from itertools import accumulate

from catalog.declaration import Trait, Traits
from catalog.records import FeatureValue


def draw_traits(traits: Traits, user_id: str) -> dict[str, FeatureValue]:
    """A value for each declared feature."""
    return {name: _drawn(trait, fraction(f"{name}\0{user_id}")) for name, trait in traits.features.items()}


def fraction(key: str) -> float:
    """A number in [0, 1) that a key always gives, and that looks like chance."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) / 2**64


def _drawn(trait: Trait, chance: float) -> FeatureValue:
    if not trait.values:
        return float(math.floor(trait.least + chance * (trait.most - trait.least)))
    heights = list(accumulate(trait.values.values()))
    return list(trait.values)[bisect_right(heights, chance * heights[-1])]
