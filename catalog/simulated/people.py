"""The people of a made-up shop as records."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.records import FeatureValue, User, UserId
from catalog.simulated.world import COUNTRIES, GENDERS, People


def user_id(row: int) -> UserId:
    """The id of a user."""
    return UserId(f"u{row + 1}")


def user_records(people: People) -> Iterator[User]:
    """All of them, with what they tell of themselves."""
    for row in range(len(people)):
        features: dict[str, FeatureValue] = {
            "age": float(people.age[row]),
            "country": COUNTRIES[people.country[row]],
        }
        if people.gender[row] >= 0:
            features["gender"] = GENDERS[people.gender[row]]
        yield User(user_id(row), features)
