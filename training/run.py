"""What a training run leaves behind: a folder of graphs, arrays and records, complete enough to build from.

Between `train` and `build` nothing is shared but this folder, so a bundle can be built later, elsewhere, and
without TensorFlow. `run.json` is written last: where it is, the run is whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from bundle.graph import Arrays
from bundle.manifest import Counts, Dims, Encoders, Head, RankBy
from bundle.probes import Probe, read_probes, write_probes
from bundle.tabular import Tabular
from catalog.documents import document_to_item, item_to_document
from catalog.errors import NotReadyError
from catalog.records import Item
from catalog.schema import DatasetSchema
from towers.features import FeatureSpace

SUMMARY = "run.json"
STARTED = "started.json"
"""What a run is begun with; gone when it is finished."""
GRAPHS = ("user_tower", "item_tower", "ranker")


class RunSummary(BaseModel):
    """What the manifest of the bundle will say about the training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset_schema: DatasetSchema
    dims: Dims
    counts: Counts
    encoders: Encoders
    heads: tuple[Head, ...]
    rank_by: RankBy
    shares: dict[str, float] = {}
    rating_range: tuple[float, float] | None
    metrics: dict[str, JsonValue]
    training: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run. Arrays have one row per item and are mapped, not read."""

    folder: Path
    summary: RunSummary
    items: tuple[Item, ...]
    user_ids: tuple[str, ...]
    """Users with an id embedding, in its order from row 1."""
    arrays: Mapping[str, NDArray[Any]]
    """tokens, numeric, embedding_rows, popularity, vectors, content, and the tables of `towers.cross.TABLES`."""
    probes: Mapping[str, Probe]
    tabular: Tabular | None
    """What the ranker reads where it is a tabular one."""

    def graph(self, name: str) -> bytes:
        """One exported network, serialised."""
        return (self.folder / f"{name}.onnx").read_bytes()

    def space(self) -> FeatureSpace:
        """The feature space that the graphs were trained on."""
        return FeatureSpace.load(self.folder / "features.json")

    @classmethod
    def write(
        cls,
        folder: Path,
        *,
        summary: RunSummary,
        items: tuple[Item, ...],
        user_ids: tuple[str, ...],
        space: FeatureSpace,
        graphs: Mapping[str, bytes],
        arrays: Arrays,
        probes: Mapping[str, Probe],
        tabular: Tabular | None = None,
    ) -> Run:
        """Leave a run in a folder, which must not hold one yet."""
        folder.mkdir(parents=True, exist_ok=True)
        for graph in GRAPHS:
            (folder / f"{graph}.onnx").write_bytes(graphs[graph])
        space.save(folder / "features.json")
        (folder / "arrays").mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(folder / "arrays" / f"{name}.npy", array, allow_pickle=False)
        write_probes(folder / "probes.npz", probes)
        if tabular is not None:
            tabular.save(folder)
        with (folder / "items.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(item_to_document(item), ensure_ascii=False) + "\n" for item in items)
        (folder / "users.json").write_text(json.dumps(user_ids, ensure_ascii=False), "utf-8")
        (folder / SUMMARY).write_text(summary.model_dump_json(indent=1) + "\n", "utf-8")
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Read a run.

        Raises:
            NotReadyError: there is none, or it did not finish.
        """
        try:
            summary = RunSummary.model_validate_json((folder / SUMMARY).read_bytes())
            with (folder / "items.jsonl").open(encoding="utf-8") as lines:
                items = tuple(document_to_item(json.loads(line)) for line in lines)
            users = tuple(json.loads((folder / "users.json").read_text("utf-8")))
            arrays = {
                path.stem: np.load(path, mmap_mode="r", allow_pickle=False)
                for path in sorted((folder / "arrays").glob("*.npy"))
            }
            tabular = Tabular.open(folder, len(items))
            return cls(folder, summary, items, users, arrays, read_probes(folder / "probes.npz"), tabular)
        except (OSError, ValueError, KeyError, ValidationError) as exc:
            raise NotReadyError(
                f"expected a finished training run in {folder}, found {type(exc).__name__}: {exc}; "
                "run `towerbridge train` again"
            ) from exc
