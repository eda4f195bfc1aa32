"""What trainings left behind, read without what trains: figures, curves, notes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SUMMARY, CURVES = "run.json", "curves.json"
MOST = 20


def runs(folder: Path) -> list[dict[str, Any]]:
    """The latest finished runs of a folder, the last begun first; none where trainings are made elsewhere."""
    finished = sorted((path.parent for path in folder.glob(f"*/{SUMMARY}")), reverse=True)
    return [found for path in finished[:MOST] if (found := _run(path)) is not None]


def _run(folder: Path) -> dict[str, Any] | None:
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
        curves = folder / CURVES
        return {
            "run": folder.name, "began": _began(folder.name),
            "finished": _iso(datetime.fromtimestamp((folder / SUMMARY).stat().st_mtime, UTC)),
            "metrics": summary["metrics"], "notes": summary["training"].get("notes"),
            "curves": json.loads(curves.read_bytes()) if curves.is_file() else {},
        }  # fmt: skip
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None  # not ours, or half removed


def _began(name: str) -> str | None:
    try:
        return _iso(datetime.strptime(name, "%Y%m%d-%H%M%S").replace(tzinfo=UTC))
    except ValueError:
        return None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
