"""Import: checked first, idempotent, nothing lost, nothing half-written."""

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from catalog import documents
from catalog.errors import DataError, StoreError
from catalog.files import FileDataset
from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.mongo import MongoStore
from catalog.problems import describe
from catalog.records import BadRow, Interaction
from catalog.store import Counts, Written
from tests.catalog.shop import write_shop

pytestmark = pytest.mark.mongo


@pytest.fixture
def shop(tmp_path: Path) -> FileDataset:
    return write_shop(tmp_path)


@pytest.fixture
def store(mongo_uri: str, mongo_database: str) -> MongoStore:
    with MongoStore.open(mongo_uri, mongo_database) as opened:
        yield opened


class Watcher:
    """Progress that is written down."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int | None]] = []
        self.done = 0

    def start(self, label: str, total: int | None) -> None:
        self.started.append((label, total))

    def advance(self, count: int) -> None:
        self.done += count


def everything(store: MongoStore) -> dict[str, list[dict]]:
    names = sorted(store.database.list_collection_names())
    return {name: list(store.database[name].find().sort("_id", 1)) for name in names}


def spoil(shop: FileDataset) -> None:
    """One bad row of each kind."""
    with (shop.location.folder / "stars.tsv").open("a") as file:
        file.write("1\tA1\tsix\t100\n7\tA1\t3\t100\n1\tZ9\t3\t100\n1\tA1\t4\t100\n")


def test_a_first_import_holds_all_and_says_so(shop: FileDataset, store: MongoStore) -> None:
    watcher = Watcher()
    report = import_dataset(shop, store, watcher)
    assert report.counts == store.counts() == Counts(2, 2, 5, 0)
    numbers = [(f.name, f.entity, f.read, f.inserted, f.unchanged, f.bad) for f in report.files]
    assert numbers == [
        ("goods.csv", "items", 2, 2, 0, 0), ("people.dat", "users", 2, 2, 0, 0),
        ("stars.tsv", "interactions", 3, 3, 0, 0), ("clicks.csv", "interactions", 3, 2, 0, 0),
    ]  # fmt: skip
    assert watcher.started == [("goods.csv", 3), ("people.dat", 2), ("stars.tsv", 3), ("clicks.csv", 3)]
    assert watcher.done == 9
    assert report.files[3].left_out == 1
    assert store.load_schema() == shop.schema


@pytest.mark.parametrize("batch_rows", [1, 2, 5000])
def test_a_second_import_changes_nothing(shop: FileDataset, store: MongoStore, batch_rows: int) -> None:
    spoil(shop)
    import_dataset(shop, store, batch_rows=batch_rows)
    before = everything(store)
    report = import_dataset(shop, store, batch_rows=batch_rows)
    assert everything(store) == before
    assert all(file.inserted == file.updated == 0 for file in report.files)


def test_bad_rows_are_kept_counted_and_shown(shop: FileDataset, store: MongoStore) -> None:
    spoil(shop)
    report = import_dataset(shop, store)
    stars = report.files[2]
    assert (stars.read, stars.inserted, stars.unchanged, stars.bad) == (7, 3, 1, 3)
    expected = [
        BadRow("stars.tsv", 4, "stars", "six", "a number was expected"),
        BadRow("stars.tsv", 5, "user", "7", "unknown user"),
        BadRow("stars.tsv", 6, "sku", "Z9", "unknown item"),
    ]
    assert list(report.bad) == list(store.quarantined()) == expected
    assert report.counts.quarantined == 3
    assert describe(expected[0]) == "stars.tsv:4, column stars: a number was expected ('six' came)"
    for file in report.files:
        assert file.read == file.inserted + file.updated + file.unchanged + file.left_out + file.bad


def test_what_is_implied_is_added(shop: FileDataset, store: MongoStore) -> None:
    spoil(shop)
    generous = shop.declaration.model_copy(update={"implied": ("users", "items")})
    report = import_dataset(FileDataset(generous, shop.location), store)
    assert report.implied == 2
    assert report.counts == Counts(3, 3, 7, 1)
    assert [item.title for item in store.items()] == ["Lamp (1995)", "Çhair", "Z9"]


@pytest.mark.parametrize(
    ("file", "content"), [("stars.tsv", None), ("clicks.csv", "who,what\n"), ("stars.test", "1 2 3 4\n")]
)
def test_nothing_is_written_where_a_file_is_not_as_declared(
    shop: FileDataset, store: MongoStore, file: str, content: str | None
) -> None:
    path = shop.location.folder / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError) as caught:
        import_dataset(shop, store)
    assert "\n" not in str(caught.value)
    assert store.counts() == Counts(0, 0, 0, 0)
    assert store.load_schema() is None


def test_a_corrected_file_corrects_the_store(shop: FileDataset, store: MongoStore) -> None:
    import_dataset(shop, store)
    goods = shop.location.folder / "goods.csv"
    goods.write_text(goods.read_text("utf-8").replace("Çhair", "Stool"), "utf-8")
    report = import_dataset(shop, store)
    assert (report.files[0].updated, report.files[0].unchanged) == (1, 1)
    assert [item.title for item in store.items()] == ["Lamp (1995)", "Stool"]


def test_both_stores_end_up_with_the_same(shop: FileDataset, store: MongoStore) -> None:
    spoil(shop)
    memory = MemoryStore()
    ours, theirs = import_dataset(shop, memory), import_dataset(shop, store)
    assert replace(ours, seconds=0, files=()) == replace(theirs, seconds=0, files=())
    assert list(memory.items()) == list(store.items())
    assert list(memory.users()) == list(store.users())


def test_a_store_that_fails_stops_the_import(shop: FileDataset) -> None:
    class Failing(MemoryStore):
        def put_interactions(self, interactions: list[Interaction]) -> Written:
            raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="disk is full"):
        import_dataset(shop, Failing(), batch_rows=1)


def test_memory_does_not_grow_with_the_events(tmp_path: Path) -> None:
    """Twenty thousand more events would be ten megabytes, held as records or documents."""
    import tracemalloc

    from tests.catalog.declare import EVENTS, TYPES, declared

    class Nowhere(MemoryStore):
        def put_interactions(self, interactions: list[Interaction]) -> Written:
            return Written(len([documents.event_to_document(event) for event in interactions]), 0, 0)

    (tmp_path / "own").mkdir()
    dataset = declared(tmp_path / "own", TYPES.replace("\n", '\nimplied = ["users", "items"]\n', 1) + EVENTS)
    peaks = []
    for count in (5_000, 25_000):
        rows = "".join(f"u{n % 97},i{n % 89},{n}\n" for n in range(count))
        (tmp_path / "own/views.csv").write_text(f"u,i,t\n{rows}")
        tracemalloc.start()
        try:
            report = import_dataset(dataset, Nowhere(), batch_rows=500)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert report.files[0].inserted == count
    assert peaks[1] < peaks[0] + 1_000_000


IMPORTING = """
import os, signal, sys
from pathlib import Path
from catalog.declaration import parse
from catalog.files import FileDataset
from catalog.importer import import_dataset
from catalog.mongo import MongoStore
from catalog.tables import Location
from tests.catalog.shop import DECLARATION

folder, uri, database, events = sys.argv[1:]
shop = FileDataset(parse(DECLARATION, "shop.toml"), Location(Path(folder) / "shop", Path(folder)))


class Doomed(MongoStore):
    def put_interactions(self, interactions):
        global events
        events = int(events) - len(interactions)
        if events < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put_interactions(interactions)


with Doomed.open(uri, database) as store:
    print("begun", flush=True)
    import_dataset(shop, store, batch_rows=500)
"""


def test_an_import_killed_at_any_moment_is_finished_by_the_next(
    shop: FileDataset, store: MongoStore, tmp_path: Path, mongo_uri: str, mongo_database: str
) -> None:
    folder, rng = shop.location.folder, random.Random(5)
    goods = [f"/dp/P{n},Thing {n},,,kind,1,,0,0" for n in range(3000)]
    (folder / "goods.csv").write_text("link,name,short,long,kind,price,tags,new,sale\n" + "\n".join(goods))
    (folder / "people.dat").write_text("".join(f"{n}::x::30::1\n" for n in range(1000)))
    stars = [f"{rng.randrange(1000)}\tP{rng.randrange(3000)}\t4\t{n}\n" for n in range(30_000)]
    stars[77] = "1\tP1\televen\t77\n"
    (folder / "stars.tsv").write_text("".join(stars))
    (folder / "clicks.csv").write_text("key,who,what,did,when\n")
    (folder / "stars.test").write_text("".join(stars[:50]))

    progress: list[int] = []
    # The first kills itself in the middle, so that one certainly is; who kills the others may come too late for that.
    for wanted, at_most in ((30_000, 6000), (0, 30_000), (500, 30_000), (15_000, 30_000), (20_000, 30_000)):
        child = subprocess.Popen(
            [sys.executable, "-c", IMPORTING, str(tmp_path), mongo_uri, mongo_database, str(at_most)],
            stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        while child.poll() is None and store.counts().interactions < wanted:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.01, 0.1))
        child.kill()
        child.communicate()
        progress.append(store.counts().interactions)
    import_dataset(shop, store)
    assert store.counts() == Counts(3000, 1000, 29_999, 1)
    assert store.load_schema() == shop.schema
    assert 0 < progress[0] < 29_999, progress
    assert progress == sorted(progress), "what was there stays"
    after = everything(store)
    import_dataset(shop, store)
    assert everything(store) == after


def test_the_database_is_named_after_the_data_set(mongo_uri: str, mongo_database: str) -> None:
    from catalog.mongo import database_name

    assert database_name("movielens-100k") == "towerbridge_movielens_100k"
    with MongoStore.open(mongo_uri, mongo_database) as store:
        names = store.database["interactions"].index_information()
    assert names["user_history"]["key"] == [(key, 1) for key in "usnitv"]
    assert names["item_time"]["key"] == [("i", 1), ("s", 1)]
