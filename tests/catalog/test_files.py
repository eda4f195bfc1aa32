"""A declared data set becomes exactly the records that its files hold."""

from pathlib import Path

import pytest

from catalog.dataset import LEFT_OUT
from catalog.errors import ConfigError, DataError
from catalog.files import FileDataset
from catalog.records import BadRow, Interaction, Item, User
from tests.catalog.shop import write_shop


@pytest.fixture
def shop(tmp_path: Path) -> FileDataset:
    return write_shop(tmp_path)


def rows(shop: FileDataset, position: int) -> list[object]:
    return list(shop.parts()[position].rows())


def test_items_with_every_kind_of_cell(shop: FileDataset, tmp_path: Path) -> None:
    lamp, chair = rows(shop, 0)
    assert lamp == Item(
        "A1", "Lamp (1995)", 'Bright – Says "hi",\nand glows', str(tmp_path / "shop-pictures/p/a1.png"),
        {"kind": "light", "year": 1995.0, "price": 32999.5, "tags": ("home", "light"), "sale": ("new",)},
    )  # fmt: skip
    assert chair == Item("B2", "Çhair", "Wood", None, {"tags": (), "sale": ("sale",)})


def test_users_of_a_file_with_a_long_delimiter(shop: FileDataset) -> None:
    assert rows(shop, 1) == [User("1", {"decade": "30", "zip": "9"}), User("2", {})]


def test_events_of_one_type_with_folds(shop: FileDataset) -> None:
    assert rows(shop, 2) == [
        Interaction("1", "A1", "rating", 100.0, 4.0, sequence=1),
        Interaction("2", "B2", "rating", 100.0, 1.0, sequence=2, fold=1),
        Interaction("1", "B2", "rating", 90.5, 5.0, sequence=3),
    ]


def test_events_whose_column_names_the_type(shop: FileDataset) -> None:
    second = 1 << 40
    assert rows(shop, 3) == [
        Interaction("1", "A1", "view", 1704067200.0, None, "k1", sequence=second + 2),
        LEFT_OUT,
        Interaction("2", "A1", "view", 1704067200.0, None, "k3", sequence=second + 4),
    ]


def test_totals_are_the_numbers_of_lines(shop: FileDataset) -> None:
    # goods.csv holds a line break inside a cell: a total is for progress, not a count.
    assert [(part.entity, part.name, part.total) for part in shop.parts()] == [
        ("items", "goods.csv", 3), ("users", "people.dat", 2),
        ("interactions", "stars.tsv", 3), ("interactions", "clicks.csv", 3),
    ]  # fmt: skip


def test_an_absent_join_leaves_its_fields_unknown(shop: FileDataset, tmp_path: Path) -> None:
    (tmp_path / "shop-pictures/pictures.csv.gz").unlink()
    shop.check()
    assert rows(shop, 0)[1] == Item("B2", "Çhair", "Wood", None, {"tags": (), "sale": ("sale",)})


def test_the_schema_is_what_was_declared(shop: FileDataset) -> None:
    schema = shop.schema
    assert (schema.name, schema.category, schema.type_names()) == ("shop", "kind", ["view", "rating"])
    assert {name: feature.kind for name, feature in schema.items.items()} == {
        "kind": "categorical", "year": "numeric", "price": "numeric", "tags": "multi", "sale": "multi",
    }  # fmt: skip
    assert schema.items["price"].buckets == 4


NO_ID = "the id is empty; every record needs one"
NO_ITEM = "the item id is empty; every record needs one"
NO_FLAG = "a flag of 0 or 1 was expected"
NO_TYPE = "one of view, rating was expected"
BAD_CELLS = [
    ("goods.csv", 0, "http://x/3,n,,,k,1,,0,0", BadRow("goods.csv", 5, "link", "", NO_ID)),
    ("goods.csv", 0, "/dp/C3,n,,,k,cheap,,0,0", BadRow("goods.csv", 5, "price", "cheap", "a number was expected")),
    ("goods.csv", 0, "/dp/C3,n,,,k,nan,,0,0", BadRow("goods.csv", 5, "price", "nan", "a finite number was expected")),
    ("goods.csv", 0, "/dp/C3,n,,,k,1,,0,maybe", BadRow("goods.csv", 5, "sale", "maybe", NO_FLAG)),
    ("goods.csv", 0, "/dp/C3,n", BadRow("goods.csv", 5, "", "/dp/C3,n", "9 cells expected, 2 came")),
    ("goods.csv", 0, "/dp/A1,n,,,k,1,,0,0", BadRow("goods.csv", 5, "link", "A1", "the same id as on line 3")),
    ("stars.tsv", 2, "1\tA1\t6\t100", BadRow("stars.tsv", 4, "stars", "6", "a number from 1 to 5 was expected")),
    ("stars.tsv", 2, "1\tA1\t\t100", BadRow("stars.tsv", 4, "stars", "", "a number was expected")),
    ("stars.tsv", 2, "1\tA1\t5\tnoon", BadRow("stars.tsv", 4, "at", "noon", "a number was expected")),
    ("stars.tsv", 2, "1\tA1\t5\t", BadRow("stars.tsv", 4, "at", "", "a time in seconds was expected")),
    ("stars.tsv", 2, "1\t\t5\t1", BadRow("stars.tsv", 4, "sku", "", NO_ITEM)),
    ("clicks.csv", 3, "k,1,A1,ate,2024-01-01", BadRow("clicks.csv", 5, "did", "ate", NO_TYPE)),
    ("clicks.csv", 3, "k,1,A1,view,later", BadRow("clicks.csv", 5, "when", "later", "an ISO-8601 time was expected")),
]  # fmt: skip


@pytest.mark.parametrize(("file", "part", "line", "expected"), BAD_CELLS, ids=lambda value: str(value)[:30])
def test_a_bad_row_says_where_and_why(
    shop: FileDataset, file: str, part: int, line: str, expected: BadRow
) -> None:
    good = rows(shop, part)
    with (shop.location.folder / file).open("a", encoding="utf-8") as handle:
        handle.write(line + "\n")
    assert rows(shop, part) == [*good, expected]


@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.png", "p/../../x"])
def test_a_picture_may_not_leave_its_folder(shop: FileDataset, tmp_path: Path, path: str) -> None:
    picture = tmp_path / "shop-pictures/pictures.csv.gz"
    picture.unlink()
    plain = shop.declaration.items.joins[0].model_copy(update={"file": ("pictures.csv",)})
    items = shop.declaration.items.model_copy(update={"joins": (plain,)})
    (tmp_path / "shop-pictures/pictures.csv").write_text(f"sku,file,caption\nA1,{path},\n")
    changed = FileDataset(shop.declaration.model_copy(update={"items": items}), shop.location)
    bad, lamp, _ = rows(changed, 0)
    assert (bad.file, bad.line, bad.column, bad.value) == ("pictures.csv", 2, "file", path)
    assert lamp.image is None


class TestCheck:
    def test_a_whole_data_set_passes(self, shop: FileDataset) -> None:
        shop.check()

    @pytest.mark.parametrize("file", ["goods.csv", "people.dat", "stars.tsv", "stars.test", "clicks.csv"])
    def test_a_missing_file_is_named(self, shop: FileDataset, file: str) -> None:
        (shop.location.folder / file).unlink()
        with pytest.raises(DataError, match=rf"{file} was expected at .*/shop, but there is no such file"):
            shop.check()

    def test_a_missing_column_is_named_with_those_that_are_there(self, shop: FileDataset) -> None:
        (shop.location.folder / "clicks.csv").write_text("key;who;what;did;when\n")
        message = (
            r"columns did, key, what, when, who were expected, but it has key;who;what;did;when; .*\(','\)"
        )
        with pytest.raises(DataError, match=message):
            shop.check()

    def test_a_wrong_number_of_columns_is_told(self, shop: FileDataset) -> None:
        (shop.location.folder / "people.dat").write_text("1|José|37|94110\n", "latin-1")
        with pytest.raises(
            DataError, match=r"4 columns were expected \(id, name, age, zip\), but line 1 .* has 1"
        ):
            shop.check()

    def test_an_empty_file_has_no_header(self, shop: FileDataset) -> None:
        (shop.location.folder / "goods.csv").write_text("")
        with pytest.raises(DataError, match="a header line was expected"):
            shop.check()

    def test_a_cut_archive_is_found_before_anything_is_read(self, shop: FileDataset, tmp_path: Path) -> None:
        archive = tmp_path / "shop-pictures/pictures.csv.gz"
        archive.write_bytes(archive.read_bytes()[:-12])
        with pytest.raises(DataError, match=r"pictures.csv.gz: .* is damaged"):
            shop.check()

    def test_a_column_that_the_declaration_itself_lacks_is_its_own_fault(self, shop: FileDataset) -> None:
        users = shop.declaration.users.model_copy(update={"columns": ("id", "name", "age", "postcode")})
        wrong = FileDataset(shop.declaration.model_copy(update={"users": users}), shop.location)
        with pytest.raises(ConfigError, match=r"columns \['zip'\] are used but not in columns"):
            wrong.check()
