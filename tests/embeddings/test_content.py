from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.records import Item, ItemId
from embeddings import content
from embeddings.content import UnreadableError, content_hash, image_bytes, item_text, sections


def item(title: str = "", text: str = "", image: str | None = None) -> Item:
    return Item(ItemId("1"), title, text, image)


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("Heat", "A thief plans a heist", "Heat\n\nA thief plans a heist"),
        (
            "Heat",
            "A heist.\n \nLos Angeles,\n1995.\r\n\r\nThe end.",
            "Heat\n\nA heist.\n\nLos Angeles, 1995. The end.",
        ),
        ("Heat", "", "Heat"),
        ("", "A thief", "A thief"),
        (" \n", "\t", ""),
        ("two\n\nlines ", " and\ttabs", "two lines\n\nand tabs"),
        ("half \ud83d emoji", "", "half ? emoji"),
        ("مرحبا", "🙂", "مرحبا\n\n🙂"),
    ],
)
def test_item_text(title: str, text: str, expected: str) -> None:
    assert item_text(item(title, text)) == expected


def test_sections_are_parted_by_blank_lines_and_the_last_holds_the_rest() -> None:
    text = "\n\n a\nb \n\n\n c \n\t\n d\n\ne"
    assert sections(text, 3) == ["a b", "c", "d e"]
    assert sections(text, 2) == ["a b", "c d e"]
    assert sections(" \n\n \n", 3) == []


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_has_a_hash_and_only_empty_text_has_none(title: str, text: str) -> None:
    digest = content_hash(item(title, text), "text")
    assert (digest is None) == (item_text(item(title, text)) == "")


def test_a_text_hash_names_what_is_read_and_nothing_else() -> None:
    assert content_hash(item("Heat", "A thief"), "text") == content_hash(item(" Heat", "A  thief"), "text")
    assert content_hash(item("Heat", "A thief"), "text") != content_hash(item("Heat", "A cop"), "text")
    assert content_hash(item("Heat", image="/nowhere.jpg"), "text") == content_hash(item("Heat"), "text")


def test_a_picture_is_named_by_its_bytes_wherever_they_are(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"the same")
    uri = "data:image/jpeg;base64," + b64encode(b"the same").decode()
    hashes = {
        content_hash(item(image=place), "image")
        for place in (str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"), uri, "data:,the%20same")
    }
    assert len(hashes) == 1


def test_a_missing_picture_gets_a_new_name_when_it_appears(tmp_path: Path) -> None:
    path = tmp_path / "late.jpg"
    missing = content_hash(item(image=str(path)), "image")
    path.write_bytes(b"here now")
    assert missing is not None
    assert content_hash(item(image=str(path)), "image") not in (None, missing)


def test_no_picture_is_no_content() -> None:
    assert content_hash(item("title"), "image") is None
    assert content_hash(item(image=""), "image") is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("/no/such/picture.jpg", "no such file"),
        ("/tmp", "cannot be read: Is a directory"),
        ("bad\0name.jpg", "cannot be read"),
        ("https://example.org/a.jpg", "is a URL"),
        ("data:image/png;base64", "without a comma"),
        ("data:image/png;base64,@@@", "base64 is broken"),
    ],
)
def test_what_cannot_be_read_is_a_reason(image: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        image_bytes(image)
    assert content_hash(item(image=image), "image") is not None


def test_base64_may_be_wrapped_and_escaped() -> None:
    assert image_bytes("data:image/png;base64,aGVs\nbG8%3D") == b"hello"


def test_large_files_and_uris_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_FILE_BYTES", 2**20)
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(2**20 + 1)
    with pytest.raises(UnreadableError, match="at most 1 MiB"):
        image_bytes(str(path))
    with pytest.raises(UnreadableError, match="over 1 MiB"):
        image_bytes("data:image/png;base64," + "A" * 2**21)
