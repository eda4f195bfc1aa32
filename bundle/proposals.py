"""What is precomputed for candidate sources, beyond what every bundle has: each part may be missing.

neighbours/tfidf.*.npy       items whose title and category share words
neighbours/rules.*.npy       items that sessions with an item hold as well
neighbours/trending.*.npy    what events were worth, by item and hour
items/value.npy              best value
items/tree.json              the category above each category
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bundle.columns import load_array
from catalog.errors import BundleError
from catalog.records import Floats

Int32s = NDArray[np.int32]
TableName = Literal["successor", "alike", "tfidf", "rules"]


@dataclass(frozen=True, slots=True)
class Table:
    """The neighbours of each of n items, strongest first."""

    rows: Int32s
    """[n, m], -1 padded; m is 0 in bundles that were written without."""
    weights: Floats
    """[n, m]"""

    @classmethod
    def open(cls, bundle: Path, name: TableName, n: int) -> Table:
        """A table of a bundle's folder; BundleError where it does not fit n items."""
        rows, weights = (bundle / f"neighbours/{name}.{part}.npy" for part in ("rows", "weights"))
        if not rows.is_file():
            return cls(np.zeros((n, 0), np.int32), np.zeros((n, 0), np.float32))
        table = cls(load_array(rows, np.int32, (n, None)), load_array(weights, np.float32, (n, None)))
        if table.rows.shape != table.weights.shape:
            raise BundleError(
                f"expected {list(table.rows.shape)} weights in {weights}, found {list(table.weights.shape)}; "
                "build the bundle again"
            )
        check_rows(rows, table.rows, -1, n)
        return table


@dataclass(frozen=True, slots=True)
class Trends:
    """What training events were worth, summed by item and hour; the hours rise."""

    rows: Int32s
    """[e]"""
    hours: Int32s
    """[e] hours since the epoch."""
    worth: Floats
    """[e]"""

    @classmethod
    def open(cls, bundle: Path, n: int) -> Trends | None:
        """Those of a bundle's folder, None where it has none; BundleError where they do not fit n items."""
        folder = bundle / "neighbours"
        if not (folder / "trending.rows.npy").is_file():
            return None
        rows = load_array(folder / "trending.rows.npy", np.int32, (None,))
        hours = load_array(folder / "trending.hours.npy", np.int32, (len(rows),))
        worth = load_array(folder / "trending.worth.npy", np.float32, (len(rows),))
        check_rows(folder / "trending.rows.npy", rows, 0, n)
        if (hours[1:] < hours[:-1]).any():
            raise BundleError(
                f"expected rising hours in {folder / 'trending.hours.npy'}; build the bundle again"
            )
        return cls(rows, hours, worth)


@dataclass(frozen=True, slots=True)
class Proposals:
    """All parts of one bundle of n items."""

    tfidf: Table
    rules: Table
    trends: Trends | None
    value: Floats | None
    """[n] NaN where it is not known."""
    tree: Mapping[str, str]
    """The category above each category that has one above it."""

    @classmethod
    def open(cls, bundle: Path, n: int) -> Proposals:
        """Those of a bundle's folder.

        Raises:
            BundleError: one is there and does not fit n items.
        """
        value = bundle / "items/value.npy"
        return cls(
            Table.open(bundle, "tfidf", n), Table.open(bundle, "rules", n), Trends.open(bundle, n),
            load_array(value, np.float32, (n,)) if value.is_file() else None, _tree(bundle / "items/tree.json"),
        )  # fmt: skip


def check_rows(path: Path, rows: NDArray[Any], lowest: int, n: int) -> None:
    """BundleError where rows in a file lie outside `lowest … n - 1`."""
    if rows.size and (rows.min() < lowest or rows.max() >= n):
        raise BundleError(
            f"expected rows {lowest} … {n - 1} in {path}, "
            f"found {rows.min()} … {rows.max()}; build the bundle again"
        )


def _tree(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_bytes())
        return {str(child): str(parent) for child, parent in document.items()}
    except (ValueError, AttributeError) as exc:
        raise BundleError(f"expected the category above each category in {path}, found {exc!r}") from exc
