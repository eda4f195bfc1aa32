"""MovieLens 100K, read from its own files and held in a real MongoDB."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.importer import ImportReport, import_dataset
from catalog.mongo import MongoStore
from catalog.records import IdMap, InteractionLog, Item
from catalog.registry import open_dataset
from catalog.store import Counts

pytestmark = [pytest.mark.mongo, pytest.mark.realdata]


@pytest.fixture(scope="module")
def imported(
    mongo_uri: str, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MongoStore, ImportReport]:
    if not (data_folder / "ml-100k").is_dir():
        pytest.skip("TOWERBRIDGE_DATA holds no ml-100k")
    home = tmp_path_factory.mktemp("home")
    dataset = open_dataset("movielens-100k", home=home, data=data_folder)
    with MongoStore.open(mongo_uri, "towerbridge_test_movielens") as store:
        yield store, import_dataset(dataset, store)
        store.client.drop_database("towerbridge_test_movielens")


@pytest.fixture(scope="module")
def items(imported: tuple[MongoStore, ImportReport]) -> dict[str, Item]:
    return {item.item_id: item for item in imported[0].items()}


@pytest.fixture(scope="module")
def log(imported: tuple[MongoStore, ImportReport], items: dict[str, Item]) -> InteractionLog:
    store = imported[0]
    schema = store.load_schema()
    assert schema is not None
    return store.log(IdMap.of(user.user_id for user in store.users()), IdMap.of(items), schema)


def test_the_counts_are_those_of_its_readme(imported: tuple[MongoStore, ImportReport]) -> None:
    store, report = imported
    assert store.counts() == report.counts == Counts(1682, 943, 100_000, 0)
    assert [(file.name, file.read, file.bad) for file in report.files] == [
        ("u.item", 1682, 0), ("u.user", 943, 0), ("u.data", 100_000, 0),
    ]  # fmt: skip


def test_the_official_folds_are_whole_and_disjoint(log: InteractionLog) -> None:
    assert np.bincount(log.folds).tolist() == [0, 20_000, 20_000, 20_000, 20_000, 20_000]


def test_fold_one_is_u1_test(data_folder: Path, imported: tuple[MongoStore, ImportReport]) -> None:
    lines = (data_folder / "ml-100k/u1.test").read_text().splitlines()
    expected = {tuple(line.split("\t")[:3]) for line in lines}
    rows = imported[0].database["interactions"].find({"f": 1})
    assert {(row["u"], row["i"], f"{row['v']:.0f}") for row in rows} == expected


def test_ratings_are_those_of_u_data(log: InteractionLog) -> None:
    # Counts of 1 … 5 stars, by `cut -f3 u.data | sort | uniq -c`.
    assert np.bincount(log.values.astype(int)).tolist() == [0, 6110, 11_370, 27_145, 34_174, 21_201]
    assert log.times.min() == 874_724_710
    assert log.times.max() == 893_286_638


def test_equal_times_keep_the_order_of_the_file(
    imported: tuple[MongoStore, ImportReport], data_folder: Path
) -> None:
    lines = (data_folder / "ml-100k/u.data").read_text().splitlines()
    mine = [
        (int(time), row, item)
        for row, (user, item, _, time) in enumerate(map(str.split, lines))
        if user == "405"
    ]
    rows = imported[0].database["interactions"].find({"u": "405"}).sort([("s", 1), ("n", 1)])
    assert [row["i"] for row in rows] == [item for _, _, item in sorted(mine)]


def test_an_item_with_everything(items: dict[str, Item]) -> None:
    toy_story = items["1"]
    assert toy_story.title == "Toy Story (1995)"
    assert toy_story.features == {"genres": ("Animation", "Children's", "Comedy"), "year": 1995.0}


def test_latin_1_titles_are_right(items: dict[str, Item]) -> None:
    assert items["543"].title == "Misérables, Les (1995)"


def test_an_item_of_which_nothing_is_known(items: dict[str, Item]) -> None:
    assert replace(items["267"], text="") == Item("267", "unknown", features={"genres": ("unknown",)})


def test_users_have_their_side_features(imported: tuple[MongoStore, ImportReport]) -> None:
    users = {user.user_id: user.features for user in imported[0].users()}
    assert users["1"] == {"age": 24.0, "gender": "M", "occupation": "technician", "zip": "8"}
    assert {features["zip"] for features in users.values()} >= set("0123456789")


def test_plots_and_posters_are_joined(items: dict[str, Item], data_folder: Path) -> None:
    if not (data_folder / "ml-posters").is_dir():
        pytest.skip("TOWERBRIDGE_DATA holds no ml-posters")
    assert "Woody" in items["1"].text
    assert (
        sum(bool(item.text) for item in items.values()) == 1673
    )  # 1,656 long ones, and 17 films with a short one only
    posters = [Path(item.image) for item in items.values() if item.image]
    assert len(posters) == 1443
    assert all(poster.is_absolute() and poster.is_file() for poster in posters)
