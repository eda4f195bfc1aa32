"""The same table as text, JSON lines, Parquet or in a database is the same records."""

import gzip
import json
import sqlite3
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from catalog.errors import ConfigError, DataError
from catalog.files import FileDataset
from catalog.locate import with_database
from catalog.records import BadRow, Interaction, Item
from catalog.tables import LIST
from catalog.typed import text_of
from tests.catalog.declare import TYPES, declared, records, write

DECLARATION = (
    TYPES
    + """
[items]
file = "goods.END"
id = "id"
title = "name"
available = "sold"
[items.features]
price = { kind = "numeric", column = "price" }
tags = { kind = "multi", column = "tags", split = "|" }
[[events]]
file = "views.END"
user = "u"
item = "i"
timestamp = "t"
unit = "iso"
type = "view"
"""
).replace('name = "tiny"', 'name = "tiny"\nimplied = ["users"]')

GOODS = [
    {"id": 1, "name": "Lämp", "price": 9.5, "tags": ["home", "light"], "sold": True},
    {"id": 2, "name": "Chair", "price": None, "tags": [], "sold": False},
]
VIEWS = [{"u": 7, "i": 1, "t": "2024-01-01T00:00:00"}, {"u": 8, "i": 2, "t": "2024-01-01T00:00:01.5"}]


def as_text(folder: Path) -> FileDataset:
    write(folder, {
        "goods.csv": "id,name,price,tags,sold\n1,Lämp,9.5,home|light,1\n2,Chair,,,0\n",
        "views.csv": "u,i,t\n7,1,2024-01-01T00:00:00\n8,2,2024-01-01T00:00:01.5\n",
    })  # fmt: skip
    return declared(folder, DECLARATION.replace("END", "csv"))


def as_json_lines(folder: Path) -> FileDataset:
    (folder / "goods.jsonl").write_text("".join(json.dumps(row) + "\n" for row in GOODS))
    with gzip.open(folder / "views.jsonl.gz", "wt") as file:
        file.write("\n".join(json.dumps(row) for row in VIEWS))
    return declared(folder, DECLARATION.replace("END", "jsonl"))


def as_parquet(folder: Path) -> FileDataset:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
    from pyarrow import parquet

    times = [{**row, "t": datetime.fromisoformat(row["t"])} for row in VIEWS]
    parquet.write_table(pyarrow.Table.from_pylist(GOODS), folder / "goods.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(times), folder / "views.parquet")
    return declared(folder, DECLARATION.replace("END", "parquet"))


def as_database(folder: Path) -> FileDataset:
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy comes with the extra `sql`")
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("CREATE TABLE goods (id INTEGER, name TEXT, price REAL, tags TEXT, sold BOOLEAN)")
        connection.executemany(
            "INSERT INTO goods VALUES (?, ?, ?, ?, ?)",
            [(row["id"], row["name"], row["price"], "|".join(row["tags"]), row["sold"]) for row in GOODS],
        )
        connection.execute("CREATE TABLE views (u INTEGER, i INTEGER, t TIMESTAMP)")
        connection.executemany("INSERT INTO views VALUES (:u, :i, :t)", VIEWS)
    connection.close()
    database = f"sqlite:///{folder / 'shop.db'}"
    dataset = declared(folder, DECLARATION.replace("END", "csv"))
    tables = with_database(dataset.declaration, database)
    return declared(folder, DECLARATION.replace("END", "csv"), database=database, database_tables=tables)


FORMATS = [as_text, as_json_lines, as_parquet, as_database]


@pytest.mark.parametrize("write_as", FORMATS)
def test_the_same_records(tmp_path: Path, write_as: Callable[[Path], FileDataset]) -> None:
    dataset = write_as(tmp_path)
    assert records(dataset, "items") == [
        Item("1", "Lämp", features={"price": 9.5, "tags": ("home", "light")}),
        Item("2", "Chair", features={"tags": ()}, available=False),
    ]
    events = [row for row in records(dataset, "interactions") if isinstance(row, Interaction)]
    assert [(event.user_id, event.item_id, event.timestamp) for event in events] == [
        ("7", "1", 1704067200.0), ("8", "2", 1704067201.5),
    ]  # fmt: skip
    assert events[0].sequence < events[1].sequence
    assert [part.total for part in dataset.parts()] == [2, 2]


@pytest.mark.parametrize("write_as", FORMATS)
def test_a_column_that_is_not_there_is_named(tmp_path: Path, write_as: Callable[[Path], FileDataset]) -> None:
    dataset = write_as(tmp_path)
    assert dataset.declaration.items is not None
    items = dataset.declaration.items.model_copy(update={"text": dataset.declaration.events[0].user})
    wrong = FileDataset(dataset.declaration.model_copy(update={"items": items}), dataset.location)
    with pytest.raises(DataError, match="columns u were expected, but it has id, name, price, tags, sold"):
        wrong.check()


def test_json_lines_may_lack_keys_and_nest_objects_but_must_be_objects(tmp_path: Path) -> None:
    lines = ['{"id": "a", "more": {"name": "Lamp"}}', "", "[1]", '{"id": "b"', '{"id": "c", "extra": 1}']
    write(tmp_path, {"goods.jsonl": "\n".join(lines), "views.csv": "u,i,t\n"})
    text = TYPES.replace("\n", '\nimplied = ["users"]\n', 1)
    dataset = declared(
        tmp_path,
        text
        + '[items]\nfile = "goods.jsonl"\nid = "id"\ntitle = "more.name"\n[[events]]\nfile = "views.csv"\n'
        'user = "u"\nitem = "i"\ntimestamp = "t"\ntype = "view"\n',
    )
    lamp, wrong, broken, other = records(dataset, "items")
    assert (lamp, other) == (Item("a", "Lamp"), Item("c"))
    assert wrong == BadRow("goods.jsonl", 3, "", "[1]", "an object expected, a list came")
    assert isinstance(broken, BadRow)
    assert (broken.line, broken.kind) == (4, "json")


def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
    dataset = as_parquet(tmp_path)
    whole = (tmp_path / "views.parquet").read_bytes()
    (tmp_path / "views.parquet").write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"views\.parquet: .* is damaged or cannot be read"):
        dataset.check()


@pytest.mark.parametrize(
    ("package", "write_as", "extra"), [("pyarrow", as_parquet, "parquet"), ("sqlalchemy", as_database, "sql")]
)
def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, write_as: Callable, extra: str
) -> None:
    dataset = write_as(tmp_path)
    for name in [each for each in sys.modules if each.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"towerbridge\[{extra}\]"):
        dataset.check()


class TestDatabase:
    @pytest.mark.parametrize(
        ("address", "error", "message"),
        [
            (
                "sqlite:////nowhere/shop.db",
                DataError,
                "sqlite:////nowhere/shop.db could not be read: unable to",
            ),
            (
                "oracel://me:secret@host/db",
                ConfigError,
                r"driver of oracel://me:\*\*\*@host/db is not installed",
            ),
            ("my database", ConfigError, "should look like postgresql://user:password@host/database"),
        ],
    )
    def test_what_is_wrong_with_an_address_is_said_without_the_password(
        self, tmp_path: Path, address: str, error: type[Exception], message: str
    ) -> None:
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy comes with the extra `sql`")
        with pytest.raises(error, match=message) as caught:
            with_database(as_text(tmp_path).declaration, address)
        assert "secret" not in str(caught.value)

    def test_a_database_without_any_of_the_tables_is_not_the_one_that_was_meant(self, tmp_path: Path) -> None:
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy comes with the extra `sql`")
        with sqlite3.connect(tmp_path / "other.db") as connection:
            connection.execute("CREATE TABLE orders (id INTEGER)")
        connection.close()
        with pytest.raises(DataError, match="one of the tables goods, views, but it has orders"):
            with_database(as_text(tmp_path).declaration, f"sqlite:///{tmp_path / 'other.db'}")

    def test_what_the_database_lacks_is_read_from_files(self, tmp_path: Path) -> None:
        database = as_database(tmp_path)
        as_text(tmp_path)
        kept = declared(
            tmp_path, DECLARATION.replace("END", "csv"),
            database=database.location.database, database_tables=frozenset({"goods"}),
        )  # fmt: skip
        assert [part.name for part in kept.parts()] == ["goods", "views.csv"]
        assert len(records(kept, "interactions")) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (float("nan"), ""), (" a ", "a"), (True, "1"), (False, "0"), (12.0, "12"), (0.1, "0.1"), (7, "7"),
        (datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"), (b"x\xff", "x\\xff"), (["a", None, 1.0], f"a{LIST}1"),
        ({"a": 1}, '{"a": 1}'), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_typed_values_as_text(value: object, text: str) -> None:
    assert text_of(value) == text
