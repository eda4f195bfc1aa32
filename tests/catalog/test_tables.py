"""Rows of raw files, whatever programs have done to them."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.delimited import TextFile
from catalog.records import BadRow
from catalog.source import Table
from catalog.tables import RawRow


def table(folder: Path, content: bytes, name: str = "t.csv", **more: object) -> TextFile:
    (folder / name).write_bytes(content)
    return TextFile(folder / name, Table.model_validate({"file": name, **more}), name)


def cells(file: TextFile) -> list[list[str]]:
    return [row.cells for row in file.rows(()) if isinstance(row, RawRow)]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n3,4\n",
        b"a,b\r\n1,2\r\n3,4",
        b"\xef\xbb\xbfa,b\n1,2\n\n3,4\n\n",
        b' a ,b\n"1", 2\n3 ,"4"\n',
    ],
    ids=["plain", "crlf without a last line end", "byte order mark and blank lines", "blanks"],
)
def test_the_same_table_in_many_dresses(tmp_path: Path, content: bytes) -> None:
    file = table(tmp_path, content)
    assert cells(file) == [["1", "2"], ["3", "4"]]
    assert file.columns() == ["a", "b"]


def test_gzip_is_seen_by_its_name(tmp_path: Path) -> None:
    file = table(tmp_path, gzip.compress(b"a\tb\n1\t2\n"), "t.tsv.gz", delimiter="\t")
    assert cells(file) == [["1", "2"]]
    assert file.count() == 1


def test_blanks_are_kept_where_they_are_wanted(tmp_path: Path) -> None:
    assert cells(table(tmp_path, b"a,b\n 1 , 2\n", strip=False)) == [[" 1 ", " 2"]]


def test_quotes_may_hold_delimiters_and_line_ends_and_lines_are_still_right(tmp_path: Path) -> None:
    file = table(tmp_path, b'a,b\n"x,\ny",2\n3\n4,5\n')
    assert list(file.rows(())) == [
        RawRow(3, ["x,\ny", "2"]),
        BadRow("t.csv", 4, "", "3", "2 cells expected, 1 came"),
        RawRow(5, ["4", "5"]),
    ]


def test_quotes_are_text_where_the_file_has_none(tmp_path: Path) -> None:
    file = table(tmp_path, b'1|"Weird" Al|x\n2|"|y\n', delimiter="|", quoted=False, columns=["n", "t", "u"])
    assert cells(file) == [["1", '"Weird" Al', "x"], ["2", '"', "y"]]


@pytest.mark.parametrize("quoted", [True, False])
def test_a_line_in_another_encoding_is_bad_and_the_next_one_is_not(tmp_path: Path, quoted: bool) -> None:
    file = table(tmp_path, b"a,b\n1,caf\xe9\n2,caf\xc3\xa9\n", quoted=quoted)
    bad, good = file.rows(())
    assert (bad.line, bad.reason) == (2, "not valid utf-8")
    assert good == RawRow(3, ["2", "café"])


def test_latin_1_reads_every_byte(tmp_path: Path) -> None:
    file = table(tmp_path, b"a\n\xc9mile\n", encoding="latin-1")
    assert cells(file) == [["Émile"]]


def test_characters_that_only_look_like_line_ends_end_no_line(tmp_path: Path) -> None:
    # str.splitlines would cut at U+0085 and U+2028; files do not.
    content = "a|b\nx\u2028y|z\x85\n".encode()
    assert cells(table(tmp_path, content, delimiter="|", quoted=False, strip=False)) == [
        ["x\u2028y", "z\x85"]
    ]


def test_a_quote_that_never_closes_is_one_bad_row(tmp_path: Path) -> None:
    filler = b"1,2\n" * 300_000
    file = table(tmp_path, b'a,b\n1,2\n3,"open\n' + filler)
    first, second, *_ = file.rows(())
    assert first == RawRow(2, ["1", "2"])
    assert isinstance(second, BadRow)
    assert "lines 3 to " in second.reason


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8),
            min_size=3, max_size=3,
        ),
        max_size=6,
    )
)  # fmt: skip
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    file = TextFile(path, Table(file="t.csv", strip=False), "t.csv")
    assert cells(file) == rows


def test_reading_streams(tmp_path: Path) -> None:
    """Rows are never all in memory: that would be 30 MB here."""
    import tracemalloc

    file = table(tmp_path, b"a,b\n" + b"1,2\n" * 200_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in file.rows(())) == 200_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
