"""How a fit went, epoch by epoch, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = Sequence[Mapping[str, float]]
"""`epoch`, `loss` and, of those that were validated, `validation`."""


def picture(fit: str, curve: Curve) -> Figure:
    """Loss and validation by epoch, the best validation marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    left = figure.subplots()
    left.plot([each["epoch"] for each in curve], [each["loss"] for each in curve], color="tab:blue")
    left.set_xlabel("epoch")
    left.set_ylabel("loss", color="tab:blue")
    left.set_title(fit)
    validated = [(each["epoch"], each["validation"]) for each in curve if "validation" in each]
    if validated:
        right = left.twinx()
        right.plot(*zip(*validated, strict=True), color="tab:orange", marker=".")
        right.plot(*max(validated, key=lambda each: each[1]), color="tab:orange", marker="o")
        right.set_ylabel("validation", color="tab:orange")
    return figure
