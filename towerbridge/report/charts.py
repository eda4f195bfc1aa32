"""The geometry of the report's charts: where every bar, point and label stands. The template only draws them.

Lengths are in the units of an SVG's view box; y grows downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from training.calibration import Calibration

WIDTH, NARROW = 720.0, 420.0
"""Of a chart, and of one of two that stand side by side."""
LABELS, VALUES = 222.0, 70.0
"""Room to the left and to the right of bars."""
ROW, BAR = 26.0, 14.0
PLOT_HEIGHT, MARGIN, INSET = 300.0, 48.0, 18.0
"""The inset keeps what is written at the first point off the axis."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One bar to be drawn."""

    label: str
    value: float
    low: float | None = None
    """Of its interval."""
    high: float | None = None
    kind: str = "other"
    """`ours`, `stage` or `other`: how it is coloured."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in its place."""

    measured: Measured
    y: float
    """Its middle."""
    length: float
    low: float | None
    """The ends of its whisker."""
    high: float | None


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars side by side, from one scale that begins at 0."""

    bars: tuple[Bar, ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Point:
    """A point with what stands beside it."""

    x: float
    y: float
    label: str
    beside: str = ""
    low: float | None = None
    """The y of the ends of its whisker."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Points over two axes."""

    points: tuple[Point, ...]
    across: tuple[Tick, ...]
    upwards: tuple[Tick, ...]


def bars(measured: Sequence[Measured], top: float = 0.0, width: float = WIDTH) -> Bars:
    """Bars in the given order, on a scale that reaches at least to `top`."""
    ends = [high for each in measured for high in (each.value, each.high) if high is not None]
    scale = (width - LABELS - VALUES) / max([*ends, top, 1e-12])

    def along(value: float | None) -> float | None:
        return None if value is None else LABELS + max(0.0, value) * scale

    drawn = tuple(
        Bar(each, ROW * (place + 0.5), max(0.0, each.value) * scale, along(each.low), along(each.high))
        for place, each in enumerate(measured)
    )
    return Bars(drawn, width, ROW * len(measured))


def bandwidth(ceilings: Sequence[tuple[int, float]]) -> Plot:
    """Which share of right items a pool holds, by its size: sizes on a scale of equal ratios."""
    least, most = log10(ceilings[0][0]), log10(ceilings[-1][0])
    span = (most - least) or 1.0
    points = tuple(
        Point(across((log10(size) - least) / span), _upwards(share), f"{share:.0%}", f"{size:,}")
        for size, share in ceilings
    )
    shares = tuple(Tick(_upwards(share), f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    return Plot(points, tuple(Tick(point.x, point.beside) for point in points), shares)


def calibrated(found: Calibration) -> Plot:
    """What was given over what was predicted, both on the scale of the data set."""
    span = found.highest - found.lowest

    def share(value: float) -> float:
        return min(1.0, max(0.0, (value - found.lowest) / span))

    points = tuple(
        Point(
            across(share(each.predicted)), _upwards(share(each.given)), f"{each.given:.2f}",
            f"{each.predicted:.2f}", _upwards(share(each.given - each.error)),
            _upwards(share(each.given + each.error)),
        )
        for each in found.bins
    )  # fmt: skip
    steps = [found.lowest + span * step / 4 for step in range(5)]
    return Plot(
        points,
        tuple(Tick(across(share(step)), f"{step:g}") for step in steps),
        tuple(Tick(_upwards(share(step)), f"{step:g}") for step in steps),
    )


def across(share: float) -> float:
    """The x of a place between the ends of an axis, 0 … 1."""
    return MARGIN + INSET + share * (WIDTH - 2 * (MARGIN + INSET))


def _upwards(share: float) -> float:
    return PLOT_HEIGHT - MARGIN - share * (PLOT_HEIGHT - 2 * MARGIN)
