"""Items of a data set for benchmarks, straight from its files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from catalog.records import Item
from catalog.registry import open_dataset


def items_of(dataset: str, data: Path | None) -> list[Item]:
    """All items of a data set by name; its folder is found as `towerbridge import` finds it."""
    home = Path(os.environ.get("TOWERBRIDGE_HOME", ".towerbridge"))
    opened = open_dataset(dataset, home=home, data=data, say=lambda line: print(line, file=sys.stderr))
    parts = [part for part in opened.parts() if part.entity == "items"]
    return [row for part in parts for row in part.rows() if isinstance(row, Item)]
