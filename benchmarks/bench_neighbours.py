"""Do items that are alike by text, or by picture, share genres?

    python -m benchmarks.bench_neighbours --dataset movielens-100k --feature genres
    python -m benchmarks.bench_neighbours --dataset fashion --feature article_type --image resnet50

For each item its five nearest by content, and the mean overlap (Jaccard) of a feature's values with theirs, over
that of random pairs. No encoder reads the feature. Items are compared in two ways: by the bare cosine, and in the
content space of `bundle.space`, as similar items are served. Vectors come from the encoders of the settings, by
way of the cache of exports; nothing is written to MongoDB. Two populations: all items that have the modality, and
those that have both. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.catalogue import items_of
from bundle.space import ContentSpace
from catalog.records import Floats, Item
from embeddings.choose import Choice
from embeddings.job import content_vectors, embed, select
from embeddings.store import MemoryEmbeddingStore

NEIGHBOURS = 5


def overlaps(items: Sequence[Item], feature: str) -> NDArray[np.float64]:
    """Jaccard index `[n, n]` of the values of a feature of every pair of items."""
    names = sorted({value for item in items for value in _values(item, feature)})
    has = np.array([[name in _values(item, feature) for name in names] for item in items], np.float64)
    both = has @ has.T
    return both / np.maximum(has.sum(1)[:, None] + has.sum(1) - both, 1)


def lift(vectors: Floats, shared: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean overlap of each item's nearest, that of random pairs, and the one over the other."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    near = float(np.take_along_axis(shared, nearest, axis=1).mean())
    chance = float((shared.sum() - np.trace(shared)) / (len(shared) * (len(shared) - 1)))
    return near, chance, near / chance


def main(arguments: Sequence[str] | None = None) -> None:
    """Encode, compare and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="movielens-100k")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds data sets by name")
    parser.add_argument("--feature", default="genres", help="a feature of one or many values")
    parser.add_argument("--text", default=Choice().text, help="text encoder, as in the settings")
    parser.add_argument("--image", default=Choice().image, help="image encoder, as in the settings")
    asked = parser.parse_args(arguments)
    cache = Path(os.environ.get("TOWERBRIDGE_HOME", ".towerbridge")) / "encoders"
    chosen = Choice(asked.text, asked.image, asked.data, cache=cache)
    text = chosen.open_text()
    encoders = {"text": text, "image": chosen.open_image(text.name if text else None)}
    items = items_of(asked.dataset, asked.data)
    store = MemoryEmbeddingStore()
    vectors: dict[str, Floats] = {}
    masks: dict[str, NDArray[np.bool_]] = {}
    for modality in ("text", "image"):
        encoder = encoders[modality]
        if encoder is None:
            continue
        embed(items, encoder, store)
        select(store, encoder.modality, encoder)
        found = content_vectors(items, encoder.modality, store)
        vectors[modality], masks[modality] = found.vectors, found.mask
    shared = overlaps(items, asked.feature)
    both = np.logical_and.reduce(list(masks.values()))
    report: dict[str, Any] = {"benchmark": "neighbours", "dataset": asked.dataset, "feature": asked.feature}
    print(f"{asked.dataset}: {asked.feature} shared with the {NEIGHBOURS} nearest items, over random pairs\n")
    print(f"{'by':6} {'items':16} {'compared by':14} {'nearest':>8} {'random':>8} {'times':>7}")
    for modality, found_vectors in vectors.items():
        space = ContentSpace.fit(found_vectors[masks[modality]])
        populations = {"all": masks[modality], "with both": both}
        for population, rows in populations.items():
            ways = {"bare cosine": found_vectors, "content space": space.place(found_vectors)}
            for way, compared in ways.items():
                near, chance, times = lift(compared[rows], shared[np.ix_(rows, rows)])
                count = f"{population} ({rows.sum():,})"
                print(f"{modality:6} {count:16} {way:14} {near:8.3f} {chance:8.3f} {times:7.2f}")
                report[f"{modality}, {population}, {way}"] = {
                    "items": int(rows.sum()), "nearest": round(near, 4), "random": round(chance, 4),
                    "times": round(times, 3),
                }  # fmt: skip
    print()
    print(json.dumps(report))


def _values(item: Item, feature: str) -> tuple[str, ...]:
    value = item.features.get(feature)
    return value if isinstance(value, tuple) else () if value is None else (str(value),)


if __name__ == "__main__":
    main()
