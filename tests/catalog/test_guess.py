"""What `init` makes of folders: right where names or values tell, honest where they do not, and always importable."""

import csv
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.declaration import parse
from catalog.errors import DataError
from catalog.files import FileDataset
from catalog.guess.folder import Guess, guess
from catalog.guess.profile import Column
from catalog.guess.sniff import tables_of
from catalog.guess.write import quoted
from catalog.importer import ImportReport, import_dataset
from catalog.memory import MemoryStore
from catalog.tables import Location
from tests.catalog.declare import write

KINDS = ("lamp", "chair", "rug")


def guessed(folder: Path) -> tuple[Guess, dict, ImportReport, MemoryStore]:
    """The guess, its TOML, and the report of an import with it just as it was written."""
    found, store = guess(folder), MemoryStore()
    declaration = parse(found.text, "dataset.toml")
    report = import_dataset(FileDataset(declaration, Location(folder, folder.parent)), store)
    return found, tomllib.loads(found.text), report, store


def write_shop(folder: Path) -> None:
    """Three tables in three formats, with names as people give them."""
    goods = [
        {
            "productId": f"P{n}", "name": f"Nice {KINDS[n % 3]} number {n}", "price": f"${n + 1000.5:,.2f}",
            "description": f"A thing that is really nice and the {n}th of its kind, to buy and to keep.",
            "category": KINDS[n % 3], "tags": ["a", "b"][: n % 3], "inStock": n % 7 != 0, "photo": f"{n}.jpg",
            "shop": "ours", "url": f"https://example.org/{n}",
        }
        for n in range(60)
    ]  # fmt: skip
    people = "".join(f"{n};{20 + n};{('Oslo', 'Rom')[n % 2]};N/A;c{n}@example.org\n" for n in range(30))
    views = "".join(
        f"{n % 30},P{n % 60},{('View', 'add to cart', 'Dismiss')[n % 3]},2024-01-01 0{n // 60}:00:{n % 60:02d}\n"
        for n in range(300)
    )
    write(folder, {
        "goods.jsonl": "".join(json.dumps(row) + "\n" for row in goods),
        "customers.csv": f"customer_id;Age;City;Income;E-Mail\n{people}",
        "log.csv": f"customer,productId,event,when\n{views}",
        "notes.txt": "Remember the milk.\n",
        "pictures/3.jpg": "…",
    })  # fmt: skip


def test_a_shop_whose_names_tell(tmp_path: Path) -> None:
    write_shop(tmp_path / "My Shop")
    found, toml, report, store = guessed(tmp_path / "My Shop")
    assert dict(found.tables) == {"goods.jsonl": "items", "customers.csv": "users", "log.csv": "events"}
    assert (toml["name"], toml["category"], toml.get("implied")) == ("my-shop", "category", None)
    assert toml["types"] == {
        "view": {"weight": 0.3}, "add_to_cart": {"weight": 1.5}, "dismiss": {"weight": 0, "polarity": "negative"},
    }  # fmt: skip
    items = toml["items"]
    assert [items[word] for word in ("id", "title", "text", "available")] == [
        "productId", "name", "description", "inStock",
    ]  # fmt: skip
    assert items["image"] == {"column": "photo", "path": "pictures/{}"}
    assert items["features"] == {
        "price": {"kind": "numeric", "remove": "$,", "column": "price"},
        "category": {"kind": "categorical", "column": "category"},
        "tags": {"kind": "multi", "column": "tags"},
    }
    assert toml["users"]["features"] == {
        "age": {"kind": "numeric", "column": "Age"}, "city": {"kind": "categorical", "column": "City"},
    }  # fmt: skip
    assert "# shop is not read: always the same" in found.text
    assert "# url is not read: addresses" in found.text
    assert (report.counts.items, report.counts.users, report.counts.interactions) == (60, 30, 300)
    lamp = next(store.items())
    assert lamp.features == {"price": 1000.5, "category": "lamp", "tags": ()}
    assert not lamp.available
    assert sum(item.image is not None for item in store.items()) == 1


def test_files_without_names_are_told_apart_by_their_values(tmp_path: Path) -> None:
    write(tmp_path, {
        "movies.dat": "".join(f"{n}::Film {n} (19{n})::Drama|{('War', 'Crime')[n % 2]}\n" for n in range(10, 60)),
        "users.dat": "".join(f"{n}::{'MF'[n % 2]}::{n % 50 + 10}\n" for n in range(1, 200)),
        "ratings.dat": "".join(f"{n % 199 + 1}::{n % 50 + 10}::{n % 5 + 1}::{978300760 + n}\n" for n in range(900)),
    })  # fmt: skip
    found, toml, report, _ = guessed(tmp_path)
    assert dict(found.tables) == {"movies.dat": "items", "users.dat": "users", "ratings.dat": "events"}
    events = toml["events"][0]
    assert [events[word] for word in ("user", "item", "value", "timestamp")] == ["c1", "c2", "c3", "c4"]
    assert toml["types"]["rating"] == {"value": True, "minimum": 1, "maximum": 5, "positive_from": 4}
    assert toml["items"]["features"] == {"c3": {"kind": "multi", "split": "|", "column": "c3"}}
    doubts = "\n".join(found.doubts)
    assert "ratings.dat seems to have no header" in doubts
    assert "c1 is taken for the user and c2 for the item" in doubts
    assert "A rating of 4 or more is taken to mean: liked" in doubts
    assert all(doubt in found.text for doubt in found.doubts)
    assert report.counts.quarantined == 0


def test_events_alone_imply_the_rest_and_need_no_time(tmp_path: Path) -> None:
    write(tmp_path, {"plays.csv": "listener user,song\n" + "".join(f"{n % 9},s{n % 7}\n" for n in range(60))})
    found, toml, report, store = guessed(tmp_path)
    assert toml["implied"] == ["users", "items"]
    assert "timestamp" not in toml["events"][0]
    assert any("no column of times" in doubt for doubt in found.doubts)
    assert (report.counts.items, report.counts.users) == (7, 9)
    assert not store.load_schema().timed
    assert sorted(row["s"] for row in store.tables.events.values()) == list(range(2, 62))


def test_what_events_name_and_no_table_has_is_implied_and_told(tmp_path: Path) -> None:
    write_shop(tmp_path)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("stranger,P1,View,2024-01-01 00:00:00\n")
    found, toml, report, _ = guessed(tmp_path)
    assert toml["implied"] == ["users"]
    assert "Events name 1 users that customers.csv lacks, such as stranger." in found.doubts
    assert report.counts.quarantined == 0


def test_a_catalogue_without_events_gets_made_up_ones(tmp_path: Path) -> None:
    write_shop(tmp_path)
    for name in ("log.csv", "customers.csv"):
        (tmp_path / name).unlink()
    found, toml, report, _ = guessed(tmp_path)
    assert toml["generated"]["behaviour"]["tastes"] == ["category", "tags"]
    assert any("made up" in doubt for doubt in found.doubts)
    assert report.generated
    assert report.counts.interactions == 20_000


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no CSV, Parquet or JSONL file"),
        ({"people.csv": "id,age\n1,2\n2,3\n"}, "this was found: people.csv: id, age"),
    ],
)
def test_a_folder_without_events_says_what_was_found(tmp_path: Path, files: dict, message: str) -> None:
    write(tmp_path, files)
    with pytest.raises(DataError, match=message):
        guess(tmp_path)


def test_a_rating_that_is_none_does_not_stop_the_guess(tmp_path: Path) -> None:
    rows = "".join(f"{n % 9},m{n % 7},{n % 5 + 1},{n}\n" for n in range(200))
    write(tmp_path, {"ratings.csv": f"user,movie,rating,time\n{rows}1,m1,great,7\n"})
    found, toml, report, _ = guessed(tmp_path)
    assert toml["types"]["rating"]["maximum"] == 5
    assert report.counts.quarantined == 1
    assert any("1 of the first rows of ratings.csv do not fit" in doubt for doubt in found.doubts)


def test_rows_that_do_not_fit_are_a_doubt(tmp_path: Path) -> None:
    write_shop(tmp_path)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1,P1\n")
    found, _, report, _ = guessed(tmp_path)
    assert any("1 of the first rows of log.csv do not fit; the first: log.csv:302" in d for d in found.doubts)
    assert report.counts.quarantined == 1


NAMES = [
    "id",
    "user_id",
    "item",
    "Title",
    "text",
    "time",
    "rating",
    "type",
    "price €",
    "x",
    "1st",
    "tags",
    "kind",
    "été",
    "",
]
CELLS = st.sampled_from(
    [
        "1",
        "2",
        "17",
        "4.5",
        "A",
        "a|b",
        "2024-01-01",
        "978300760",
        "",
        "NA",
        'say "hi", you',
        "€ 1,299.00",
        "long " * 20,
    ]
)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True),
            st.lists(st.lists(CELLS, min_size=6, max_size=6), max_size=12),
        ),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_whatever_the_files_hold_the_guess_imports_or_is_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, tables: list[tuple[list[str], list[list[str]]]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for number, (names, rows) in enumerate(tables):
        with (folder / f"table{number}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([names, *(row[: len(names)] for row in rows)])
    try:
        guess(folder)
    except DataError:
        return  # no events, and nothing to make any of
    guessed(folder)


class TestSniffing:
    def sniffed(self, folder: Path, content: bytes) -> tuple[dict, tuple[str, ...]]:
        (folder / "t.csv").write_bytes(content)
        (found,) = tables_of(folder)
        return found.table.model_dump(exclude_defaults=True, exclude={"file"}), found.doubts

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"a,b\n1,2\n", {}),
            (b"a;b,c\n1;2,3\n4;5\n6;7\n", {"delimiter": ";"}),
            (b"a\tb\n1\t2\n", {"delimiter": "\t"}),
            (b"1::2::3\n4::5::6\n", {"delimiter": "::", "quoted": False, "columns": ("c1", "c2", "c3")}),
            (b'a|b\n"x"|1\n""Weird" Al"|2\n', {"delimiter": "|"}),
            ("a,b\nÉmile,2\n".encode("latin-1"), {"encoding": "latin-1"}),
            ("a,b\n“x”,2\n".encode("cp1252"), {"encoding": "cp1252"}),
            ("a,b\n“x”,2\n".encode("utf-16"), {"encoding": "utf-16"}),
            (b'a,b\n"x, y",2\n"z, y",3\n', {}),
            (b"id\n1\n2\n", {}),
        ],
    )
    def test_dialects(self, tmp_path: Path, content: bytes, expected: dict) -> None:
        assert self.sniffed(tmp_path, content)[0] == expected

    def test_prose_is_no_table(self, tmp_path: Path) -> None:
        write(tmp_path, {"readme.txt": "Hello you there.\nThis is prose\n", "empty.csv": ""})
        assert tables_of(tmp_path) == []


class TestColumns:
    @pytest.mark.parametrize(
        ("cells", "unit"),
        [
            (["978300760", "978302109"], "seconds"), (["1433221332117"], "milliseconds"), (["2024-01-01"], "iso"),
            (["2024-01-01T10:00:00Z", "2024-01-01 10:00"], "iso"), (["31/12/2023 10:00"], "%d/%m/%Y %H:%M"),
            (["12/31/2023", "01/02/2023"], "%m/%d/%Y"), (["1", "2"], None), (["1999", "2001"], None), (["x"], None),
            (["20240101", "20240102"], None),
        ],
    )  # fmt: skip
    def test_times(self, cells: list[str], unit: str | None) -> None:
        assert Column("t", 0, cells).unit == unit

    @pytest.mark.parametrize(
        ("cell", "unit"), [("20240131", "%Y%m%d"), ("100", "seconds"), ("20249931", "seconds")]
    )
    def test_numbers_that_are_called_times(self, cell: str, unit: str) -> None:
        assert Column("when", 0, [cell]).unit == unit

    @pytest.mark.parametrize(
        ("cells", "separator"),
        [
            (["a|b", "b", "a|c"] * 9, "|"), (["Drama, War", "War"] * 9, ", "), (["x", "y"] * 9, None),
            ([f"It was dark, and rainy, said {n}" for n in range(30)], None), (["1,000", "2,000"] * 9, ","),
        ],
    )  # fmt: skip
    def test_lists(self, cells: list[str], separator: str | None) -> None:
        assert Column("t", 0, cells).separator == separator

    @pytest.mark.parametrize(
        ("name", "word", "is_called"),
        [
            ("user_id", "user", True), ("visitorid", "visitor", True), ("movieId", "movie", True),
            ("Users", "user", True), ("superuser", "user", False), ("USERID", "user", True), ("item", "user", False),
        ],
    )  # fmt: skip
    def test_names(self, name: str, word: str, is_called: bool) -> None:
        assert Column(name, 0, ()).is_called(word) is is_called

    def test_missing_words_are_those_beside_other_values(self) -> None:
        assert Column("n", 0, ["1", "NA", "?"]).missing == ("NA", "?")
        assert Column("n", 0, ["NA", "NA"]).missing == ()


@pytest.mark.parametrize(
    "value",
    ["plain", 'say "hi"\\n', "\x7f\u2028", ["a", 1, True], {"a b": 1, "c": ["x"]}, 4.0, {"x": {"y": "z"}}],
)
def test_toml_is_read_back(value: object) -> None:
    assert tomllib.loads(f"value = {quoted(value)}") == {"value": value}
