"""The gate: whether a model that was trained unattended may take the place of the one that serves.

Two models are compared by what each ships: the validation figure of the order that its bundle answers in, measured
the same way on the data set as it was then. Where both were asked as they serve (`training.sources.choice`), those
figures count, else those of the fit. What cannot be compared lets nothing through: people may still promote by hand.

Where a single source decides the order, that says nothing of the towers, which still fill the rest of the page, find
what is like an item and carry what is new. So what the towers themselves find is compared as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bundle.manifest import Manifest

METRIC = "ndcg@10"
FOUND = "recall@100"
"""What the towers are compared by."""
STAGES = ("ranker", "retrieval")
"""What orders answers unless a single source does."""
SAME = ("candidates", "validation_users")
"""Knobs of a training that its validation figures depend on by how they are measured."""
Z = 1.96
"""Standard errors by which one of two equals falls behind the other in one case of 40."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of a candidate."""

    passed: bool
    reason: str
    """In a sentence with both figures, where there are two."""


def judge(candidate: Manifest, serving: Manifest | None, tolerance: float, metric: str = METRIC) -> Verdict:
    """Compare a candidate with the model that serves.

    Args:
        candidate: of the new bundle.
        serving: of the one that serves; None where nothing does yet.
        tolerance: share of the serving model's figure that the candidate may lack, 0 … 1; figures of some hundred
            users differ by several per cent between seeds.
        metric: name of a validation figure of which more is better.
    """
    served, fitted = figure(candidate, metric, served=True), figure(candidate, metric, served=False)
    new = fitted if served is None else served
    if new is None:
        return Verdict(False, f"it has no {metric} on validation to be judged by")
    if serving is None:
        return Verdict(True, f"{metric} {new:.4f} on validation, and nothing serves yet")
    if candidate.dataset != serving.dataset:
        return Verdict(False, f"it is of {candidate.dataset}, and what serves is of {serving.dataset}")
    old = figure(serving, metric, served=True)
    if served is None or old is None:
        new, old = fitted, figure(serving, metric, served=False)
    if new is None or old is None:
        return Verdict(
            False, f"{serving.version}, which serves, has no {metric} on validation to compare with"
        )
    differing = [name for name in SAME if _knob(candidate, name) != _knob(serving, name)]
    if differing:
        return Verdict(
            False, f"{serving.version}, which serves, was validated with other {' and '.join(differing)}"
        )
    if (fallen := towers_fell(candidate, serving, tolerance)) is not None:
        return Verdict(False, fallen)
    least = old * (1 - tolerance)
    told = f"{metric} {new:.4f} on validation against {old:.4f} of {serving.version}"
    if new >= least:
        return Verdict(True, told)
    return Verdict(False, f"{told}; at least {least:.4f} was expected (tolerance {tolerance:.0%})")


def towers_fell(candidate: Manifest, serving: Manifest, tolerance: float) -> str | None:
    """Why the candidate's towers are too bad, in a sentence; None where they are not, or nobody can tell.

    They may find so much less as the tolerance says, and as much less as chance explains: a recall is a share of the
    users who were asked, and of some dozen hits a twentieth more or less says nothing.
    """
    new, old = (_validated(each, "retrieval", FOUND) for each in (candidate, serving))
    users = candidate.training.get("validated")
    if new is None or old is None or not isinstance(users, int) or users < 1:
        return None
    by_chance = Z * math.sqrt((new * (1 - new) + old * (1 - old)) / users)
    least = old - max(old * tolerance, by_chance)
    if new >= least:
        return None
    return (
        f"its towers alone have {FOUND} {new:.4f} on validation against {old:.4f} of {serving.version}; at least "
        f"{least:.4f} was expected (tolerance {tolerance:.0%}, {users:,} users)"
    )


def figure(manifest: Manifest, metric: str, *, served: bool) -> float | None:
    """A validation figure of the order that a bundle ships; None where it has none.

    Args:
        manifest: of the bundle.
        metric: its name.
        served: of the bundle asked as it serves; else of the fit, which knows both stages and no single source.
    """
    staged = manifest.rank_by in STAGES
    order = "pipeline" if staged and served else manifest.rank_by if staged or served else None
    return None if order is None else _validated(manifest, order, metric)


def _validated(manifest: Manifest, order: str, metric: str) -> float | None:
    validation = manifest.metrics.get("validation")
    figures = validation.get(order) if isinstance(validation, Mapping) else None
    value = figures.get(metric) if isinstance(figures, Mapping) else None
    return float(value) if isinstance(value, int | float) and value == value else None


def _knob(manifest: Manifest, name: str) -> Any:
    config = manifest.training.get("config")
    return config.get(name) if isinstance(config, Mapping) else None
