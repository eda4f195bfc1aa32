"""What does each kind of knowledge about an item add: its id alone, side features, text, picture, all?

    python -m benchmarks.bench_ablation --dataset movielens-100k
    python -m benchmarks.bench_ablation --dataset movielens-100k --epochs 12 --only id --only all

Towers and ranker are trained anew for each row of the table, on what is imported and embedded in the workspace, and
asked twice: for known items (next item) and for items that training never saw (cold item, among themselves). An item
that is known by its id alone has nothing when it is new: that row is chance. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bundle.reader import Bundle
from catalog.progress import SILENT
from towerbridge.config import load
from towerbridge.workspace import Workspace
from training.build import build
from training.config import TrainConfig
from training.dataset import Content, TrainingData
from training.presets import preset
from training.protocols.examine import PIPELINE, RETRIEVAL, examine
from training.protocols.registry import EXAMS
from training.train import train


@dataclass(frozen=True, slots=True)
class Known:
    """What the towers are told of items beside their id."""

    side: bool = False
    text: bool = False
    image: bool = False

    def of(self, data: TrainingData) -> TrainingData:
        """The data set with the rest left out."""
        if not self.side:
            schema = data.schema.model_copy(update={"items": {}, "category": None})
            data = replace(data, schema=schema, items=tuple(replace(i, features={}) for i in data.items))
        shown = np.array([self.text, self.image], np.float32)
        content = data.content
        masked = Content(
            content.text * shown[0], content.image * shown[1], content.mask * shown,
            content.text_encoder, content.image_encoder,
        )  # fmt: skip
        return replace(data, content=masked)


ROWS: Mapping[str, Known] = {
    "id": Known(),
    "id + side": Known(side=True),
    "id + text": Known(text=True),
    "id + image": Known(image=True),
    "all": Known(side=True, text=True, image=True),
}
ASKED = (("next_item", "next_item", "ndcg@10"), ("cold_item", "cold_item", "recall@50"))
"""Protocol, its table, and the metric that is shown."""


def measured(data: TrainingData, config: TrainConfig) -> dict[str, float]:
    """Train for each protocol and ask it: the metric by protocol and stage."""
    found: dict[str, float] = {}
    for protocol, table, metric in ASKED:
        exam = EXAMS[protocol](data)
        with tempfile.TemporaryDirectory(prefix="towerbridge-ablation-") as folder:
            run = train(exam.data, config, Path(folder) / "run", split=exam.split)
            bundle = Bundle.open(build(run, Path(folder) / "bundles"))
            figures = examine(exam, bundle, (), config.seed, SILENT).figures[table]
        for stage in (RETRIEVAL, PIPELINE):
            found[f"{protocol} {stage} {metric}"] = round(figures[stage][metric], 4)
    return found


def main() -> None:
    """Print a row per kind of knowledge as it is measured, and all of them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="movielens-100k", help="an imported and embedded data set")
    parser.add_argument("--home", type=Path, default=Path(".towerbridge"), help="the workspace")
    parser.add_argument("--epochs", type=int, help="of the towers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=list(ROWS), help="measure these rows alone")
    asked = parser.parse_args()
    workspace = Workspace(load(None, os.environ, {"dataset": asked.dataset, "home": asked.home}))
    with workspace.stores() as (store, embeddings):
        data = TrainingData.load(store, embeddings)
    config = replace(preset(data.schema.name), rating_epochs=1, seed=asked.seed)
    if asked.epochs:
        config = replace(config, epochs=asked.epochs)
    table: dict[str, dict[str, float]] = {}
    for name in asked.only or ROWS:
        began = time.perf_counter()
        table[name] = measured(ROWS[name].of(data), config)
        shown = "  ".join(f"{metric} {value:.3f}" for metric, value in table[name].items())
        print(f"{name:10} {shown}  ({time.perf_counter() - began:.0f} s)", flush=True)
    print(json.dumps({"dataset": asked.dataset, "seed": asked.seed, "epochs": config.epochs, "rows": table}))


if __name__ == "__main__":
    main()
