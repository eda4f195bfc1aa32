"""One self-contained HTML page of an evaluation, for whoever decides whether it ships.

Everything is in the file: styles, charts as SVG, pictures as `data:` URIs. No scripts, nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from towerbridge.figures import left_out
from towerbridge.report import charts, words
from towerbridge.report.sections import ratings, sections, signed
from towerbridge.report.thumbnail import thumbnail

if TYPE_CHECKING:
    from catalog.records import Item
    from towerbridge.report.scene import Scene
    from training.examples import Example


def page(report: Mapping[str, Any], scene: Scene, made: datetime) -> str:
    """The whole page.

    Args:
        report: the object of `towerbridge evaluate --json`.
        scene: of the version that was measured, or of the first of several.
        made: when.
    """
    environment = Environment(
        loader=PackageLoader("towerbridge.report", ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"figure": figure, "signed": signed}
    parts = tuple(sections(report))
    calibration = scene.calibration
    return environment.get_template("page.html").render(
        report=report, scene=scene, made=made, sections=parts, ratings=ratings(report),
        calibration=calibration, calibrated=calibration and charts.calibrated(calibration),
        headline=next((each.headline for each in parts if each.headline), ""),
        seeds=report.get("seeds", {}).get("seeds", ()), left_out=tuple(left_out(report)),
        metrics=words.METRICS, thumbnail=_once(scene.examples), chart=charts,
    )  # fmt: skip


def figure(value: float | None) -> str:
    """Three decimals, two from 10 on, a dash for nothing."""
    if value is None or value != value:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.2f}"


def _once(examples: Sequence[Example]) -> Mapping[str, str | None]:
    """The thumbnail of every item that is shown, by id; None where there is none."""
    shown: dict[str, Item] = {}
    for each in examples:
        shown |= {item.item_id: item for item in (*each.history, *each.shown, each.taken)}
    return {name: thumbnail(item) for name, item in shown.items()}
