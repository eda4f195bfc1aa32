"""What declared tables of items and users mean: repeated ids, joins, filters, made-up ids, trees."""

from pathlib import Path

import pytest

from catalog.cells import code_of
from catalog.dataset import LEFT_OUT
from catalog.records import BadRow, Item, User
from tests.catalog.declare import EVENTS, TYPES, declared, records, write

NO_USERS = TYPES.replace("\n", '\nimplied = ["users"]\n', 1) + EVENTS


def items(folder: Path, declaration: str, **files: str) -> list[object]:
    write(folder, {"views.csv": "u,i,t\n", **{name.replace("_", "."): text for name, text in files.items()}})
    return records(declared(folder, NO_USERS + declaration), "items")


def test_the_latest_row_of_an_id_counts_and_the_later_of_two_at_once(tmp_path: Path) -> None:
    rows = items(
        tmp_path,
        '[items]\nfile = "p.csv"\nid = "i"\ntitle = "v"\nlatest = "at"\nwhere = { kind = "name" }\n',
        p_csv="at,i,kind,v\n30,a,name,new\n10,a,name,old\n99,a,colour,red\n5,b,name,one\n5,b,name,two\n",
    )
    assert [row for row in rows if row is not LEFT_OUT] == [Item("a", "new"), Item("b", "two")]
    assert len(rows) == 5


def test_a_time_that_is_no_number_is_told(tmp_path: Path) -> None:
    rows = items(tmp_path, '[items]\nfile = "p.csv"\nid = "i"\nlatest = "at"\n', p_csv="at,i\nnoon,a\n")
    assert rows == [BadRow("p.csv", 2, "at", "noon", "a number was expected")]


def test_rows_of_one_id_are_merged_and_the_others_do_not_wait(tmp_path: Path) -> None:
    rows = items(
        tmp_path,
        """[items]
file = "p.csv"
id = "i"
title = "name"
text = "text"
merge = true
features.shelf = { kind = "multi", column = "shelf" }
features.price = { kind = "numeric", column = "price" }
""",
        p_csv="i,name,text,shelf,price\na,,t1,x,\nb,B,,z,1\na,A,t2,y,5\na,Z,,x,6\n",
    )
    assert rows == [
        LEFT_OUT,
        Item("b", "B", features={"shelf": ("z",), "price": 1.0}),
        LEFT_OUT,
        Item("a", "A", "t1", features={"shelf": ("x", "y"), "price": 5.0}),
    ]


def test_files_of_a_pattern_are_one_table(tmp_path: Path) -> None:
    rows = items(
        tmp_path,
        '[items]\nfile = "p*.csv"\nid = "i"\n',
        p1_csv="i\na\nb\n",
        p2_csv="i\nb\nc\n",
        q_csv="i\nz\n",
    )
    repeated = BadRow("p2.csv", 2, "i", "b", "the same id as on line 3 of p1.csv")
    assert rows == [Item("a"), Item("b"), repeated, Item("c")]


def test_events_of_a_pattern_keep_the_order_of_their_files(tmp_path: Path) -> None:
    write(tmp_path, {"e1.csv": "u,i,t\n1,a,5\n", "e2.csv": "u,i,t\n1,b,5\n", "p.csv": "i\na\nb\n"})
    text = NO_USERS.replace("views.csv", "e*.csv") + '[items]\nfile = "p.csv"\nid = "i"\n'
    dataset = declared(tmp_path, text)
    assert [part.name for part in dataset.parts()] == ["p.csv", "e1.csv", "e2.csv"]
    assert [event.sequence for event in records(dataset, "interactions")] == [2, (1 << 40) + 2]


def test_an_id_that_is_missing_is_made_of_what_the_row_holds(tmp_path: Path) -> None:
    rows = items(
        tmp_path,
        """[items]
file = "p.csv"
id = { column = "link", pattern = '/dp/(\\w+)', made_of = ["name", "shelf"] }
title = "name"
""",
        p_csv="link,name,shelf,price\n/dp/A1,Lamp,x,1\n/p,Chair,y,2\n/p,Chair,z,2\n",
    )
    lamp, chair, other = (row.item_id for row in rows)
    assert lamp == "A1"
    assert (chair, other) == (code_of(["Chair", "y"]), code_of(["Chair", "z"]))


def test_a_code_is_ten_capitals_and_digits_and_never_changes() -> None:
    # printf "a\0b" | b2sum -l 80, in base 32, cut to ten characters.
    assert code_of(["a", "b"]) == "F2WN5G4CMJ"
    assert all(len(code_of([str(n)])) == 10 and code_of([str(n)]).isalnum() for n in range(200))
    assert len({code_of([str(n)]) for n in range(10_000)}) == 10_000
    assert code_of(["ab", ""]) != code_of(["a", "b"])


def test_delimiters_in_excess_belong_to_the_last_column_where_that_is_declared(tmp_path: Path) -> None:
    text = '[items]\nfile = "p.csv"\nid = "i"\ntitle = "name"\n'
    content = "i,shelf,name\na,x,Lamp, tall, red\n"
    (bad,) = items(tmp_path, text, p_csv=content)
    assert bad.reason == "3 cells expected, 5 came"
    assert items(tmp_path, text + "last_takes_rest = true\n", p_csv=content) == [Item("a", "Lamp,tall,red")]


def test_a_picture_by_pattern_is_there_or_not(tmp_path: Path) -> None:
    text = '[items]\nfile = "p.csv"\nid = "i"\nimage = { column = "i", path = "pictures/{}.jpg" }\n'
    write(tmp_path, {"pictures/a.jpg": "…"})
    a, b, bad = items(tmp_path, text, p_csv="i\na\nb\n../a\n")
    assert (a.image, b.image) == (str(tmp_path / "pictures/a.jpg"), None)
    assert (bad.value, bad.kind) == ("../a", "picture")


def test_a_tree_gives_all_that_lies_above_even_where_it_is_a_circle(tmp_path: Path) -> None:
    rows = items(
        tmp_path,
        """[taxonomies.shelves]
file = "tree.csv"
id = "shelf"
parent = "above"
[items]
file = "p.csv"
id = "i"
features.shelves = { kind = "multi", column = "shelf", taxonomy = "shelves" }
""",
        tree_csv="shelf,above\nlamps,home\nhome,\nchick,egg\negg,chick\ntoo,many,cells\n",
        p_csv="i,shelf\na,lamps\nb,chick\nc,unheard of\nd,\n",
    )
    bad, *goods = rows
    assert (bad.file, bad.line) == ("tree.csv", 6)
    assert [item.features["shelves"] for item in goods] == [
        ("lamps", "home"), ("chick", "egg"), ("unheard of",), (),
    ]  # fmt: skip


def test_numbers_that_are_none_and_shares_below_another(tmp_path: Path) -> None:
    rows = items(
        tmp_path,
        """[items]
file = "p.csv"
id = "i"
[items.features]
stars = { kind = "numeric", column = "stars", odd_is_missing = true }
off = { kind = "numeric", column = "now", below = "was", remove = "₹," }
""",
        p_csv='i,stars,now,was\na,4.1,₹750,"₹1,000"\nb,Get,"₹1,100","₹1,000"\nc,inf,,₹5\nd,,₹5,\ne,,₹0,₹0\nf,,x,₹5\n',
    )
    assert [row.features for row in rows[:5]] == [{"stars": 4.1, "off": 0.25}, {}, {}, {}, {}]
    assert rows[5] == BadRow("p.csv", 7, "now", "x", "a number was expected")


def test_codes_stand_for_names(tmp_path: Path) -> None:
    rows = items(
        tmp_path,
        '[items]\nfile = "p.csv"\nid = "i"\n'
        'features.kind = { kind = "categorical", column = "k", names = { 1 = "lamp" } }\n',
        p_csv="i,k\na,1\nb,2\n",
    )
    assert [row.features["kind"] for row in rows] == ["lamp", "2"]


def test_users_have_joins_too(tmp_path: Path) -> None:
    write(tmp_path, {"views.csv": "u,i,t\n", "p.csv": "id\nann\nbob\n", "more.csv": "who,town\nbob,Oslo\n"})
    text = """[users]
file = "p.csv"
id = "id"
[[users.joins]]
file = "more.csv"
id = "who"
features.town = { kind = "categorical", column = "town" }
"""
    dataset = declared(tmp_path, TYPES.replace("\n", '\nimplied = ["items"]\n', 1) + EVENTS + text)
    assert records(dataset, "users") == [User("ann"), User("bob", {"town": "Oslo"})]
    assert set(dataset.schema.users) == {"town"}
    (tmp_path / "more.csv").unlink()
    assert (set(dataset.schema.users), dataset.schema.missing) == (set(), ("more.csv",))


@pytest.mark.parametrize(
    ("cell", "expected"), [("1", True), ("no", False), ("", True), ("maybe", None)]
)  # fmt: skip
def test_availability(tmp_path: Path, cell: str, expected: bool | None) -> None:
    (row,) = items(
        tmp_path, '[items]\nfile = "p.csv"\nid = "i"\navailable = "sold"\n', p_csv=f"i,sold\na,{cell}\n"
    )
    assert (row.kind if expected is None else row.available) == ("flag" if expected is None else expected)
