"""The whole job on real posters and plots: do neighbours share genres?"""

import csv
import gzip
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from bundle.space import ContentSpace
from catalog.records import Floats, Item, ItemId
from embeddings.encoder import Encoder
from embeddings.job import content_vectors, embed, select
from embeddings.store import MemoryEmbeddingStore

pytestmark = [pytest.mark.train, pytest.mark.realdata]
NEIGHBOURS = 5


@pytest.fixture(scope="module")
def movies(data_folder: Path) -> list[Item]:
    """Every fourth film of MovieLens 100K that has a poster and a plot, with its genres as features."""
    folder = data_folder / "ml-posters"
    if not folder.is_dir():
        pytest.skip(f"{data_folder} holds no ml-posters")
    with (folder / "ml100k_posters.csv").open() as file:
        posters = {row["ml100k_id"]: row["poster_file"] for row in csv.DictReader(file)}
    with gzip.open(folder / "plots_ml100k.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if posters[row["movieId"]] and row["plot"]]
    return [
        Item(
            ItemId(row["movieId"]), row["title"], f"{row['plot']}\n\n{row['plot_long']}",
            str(folder / posters[row["movieId"]]), {"genres": tuple(row["genre"].split(", "))},
        )
        for row in rows[::4]
    ]  # fmt: skip


def jaccard(first: Item, second: Item) -> float:
    a, b = set(first.features["genres"]), set(second.features["genres"])  # type: ignore[arg-type]
    return len(a & b) / len(a | b)


def lift(movies: list[Item], vectors: Floats) -> float:
    """Mean genre overlap of each film's nearest five, over that of random pairs."""
    placed = ContentSpace.fit(vectors).place(vectors)
    cosines = placed @ placed.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :NEIGHBOURS]
    near = np.mean(
        [jaccard(movies[row], movies[other]) for row, some in enumerate(nearest) for other in some]
    )
    chance = np.mean([jaccard(first, second) for first, second in combinations(movies, 2)])
    return float(near / chance)


@pytest.mark.parametrize(("name", "least"), [("onnx_sbert", 1.6), ("onnx_vit", 1.2)])
def test_neighbours_share_genres(
    movies: list[Item], name: str, least: float, request: pytest.FixtureRequest
) -> None:
    # With a quarter of the films near ones are rarer: `benchmarks/bench_neighbours.py` has the figures of all.
    encoder: Encoder = request.getfixturevalue(name)
    store = MemoryEmbeddingStore()
    report = embed(movies, encoder, store)
    select(store, encoder.modality, encoder)
    found = content_vectors(movies, encoder.modality, store)
    assert report.failures == 0
    assert found.mask.all()
    assert lift(movies, found.vectors) > least
