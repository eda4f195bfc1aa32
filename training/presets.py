"""Which knobs a data set trains with: the defaults, less what is known to suit it better.

What is shipped here was found by turning one knob after the other, and is told in docs/LOG.md; `towerbridge tune`
searches further. Knobs are nested as the configuration is: `{"learning_rate": 1e-3, "towers": {"dropout": 0.3}}`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from catalog.errors import ConfigError
from training.config import TrainConfig

Knobs = Mapping[str, Any]
C = TypeVar("C")

PRESETS: Mapping[str, Knobs] = {
    # Four times the events of MovieLens-100k: as many steps in fewer epochs.
    "movielens-1m": {"epochs": 10, "rating_epochs": 3},
    # The retailer's own ranker. A few views a visitor tell the towers little, and what is viewed now is viewed next:
    # of the pools that were tried these shares hold most of what was asked for (docs/LOG.md). One block over twenty
    # views reads all there is, and an answer within milliseconds has no time for more.
    "retailrocket": {
        "ranker": {"kind": "logistic"}, "history": 20, "towers": {"blocks": 1},
        "shares": {"new": 0.05, "two_tower": 0.3, "item_item": 0.25, "rules": 0.1, "trending": 0.3},
    },
    # The ranker of the course that the data is of; its boosted trees need fewer lists than networks do.
    "startml-posts": {"ranker": {"kind": "catboost"}, "epochs": 10, "order_examples": 6_000},
    # Six times the items of MovieLens-100k: an epoch takes three times as long.
    "amazon-products": {"epochs": 20},
    # Sessions are short and never come back: nobody has an id, and many narrow windows make a step.
    "retailrocket-sessions": {
        "history": 20, "user_id_events": 1_000_000, "epochs": 4, "validate_every": 2, "batch_size": 128,
        "learning_rate": 3e-3, "order_examples": 5_000, "order_epochs": 4,
    },
}  # fmt: skip
"""By name of the data set."""


def preset(dataset: str) -> TrainConfig:
    """What a data set trains with where nothing else is said."""
    return turned(TrainConfig(), PRESETS.get(dataset, {}), f"the preset of {dataset}")


def turned(config: C, knobs: Knobs, source: str) -> C:
    """A configuration with some knobs turned.

    Args:
        config: a dataclass of numbers, texts and further dataclasses.
        knobs: new values by name.
        source: where they come from, for messages.

    Raises:
        ConfigError: an unknown knob, or a value of another type than the default's.
    """
    known = {each.name: getattr(config, each.name) for each in fields(config)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in knobs.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{source}: expected a knob of {type(config).__name__}, got {name!r}{hint}")
        default = known[name]
        if is_dataclass(default) and isinstance(value, Mapping):
            values[name] = turned(default, value, source)
        elif type(value) is type(default) or (type(default) is float and type(value) is int):
            values[name] = type(default)(value)
        else:
            raise ConfigError(f"{source}: expected {name} like {default!r}, got {value!r}")
    return replace(config, **values)  # type: ignore[type-var]


def nested(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs by dotted name, `towers.dropout`, as nested ones."""
    result: dict[str, Any] = {}
    for name, value in knobs.items():
        *sections, last = name.split(".")
        section = result
        for each in sections:
            section = section.setdefault(each, {})
        section[last] = value
    return result


def merged(knobs: Knobs, over: Knobs) -> dict[str, Any]:
    """Nested knobs with others laid over them."""
    result = dict(knobs)
    for name, value in over.items():
        below = result.get(name)
        result[name] = (
            merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return result
