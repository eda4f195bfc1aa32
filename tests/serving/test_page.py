"""Pages and their files, pictures of items, and what a page is told of the data set."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from bundle.reader import Bundle
from catalog.records import Item, ItemId
from catalog.schema import DatasetSchema
from embeddings.content import UnreadableError
from serving.page.assets import FOREVER, assets
from serving.page.dataset import gestures, matching
from serving.page.pictures import kind_of
from tests.bundle import senses
from tests.serving.sensing import Shop, data_of, ids


@pytest.fixture(scope="module")
def worker(sensing_bundle: Path) -> Iterator[TestClient]:
    """One for all: only what is added is written, and that at the end."""
    with Shop(sensing_bundle).worker() as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/admin", "/docs"])
def test_a_page_loads_from_here_alone_and_all_that_it_names_is_there(worker: TestClient, path: str) -> None:
    page = worker.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    named = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert any(name.endswith(".js") for name in named)
    assert any(name.endswith(".css") for name in named)
    for name in named:
        assert name.startswith("/"), f"{name} is not of this service"
        assert worker.get(name).status_code == 200, name
    assert "<script>" not in page.text
    assert " style=" not in page.text


def test_nothing_that_is_built_names_another_host() -> None:
    allowed = {
        "http://www.w3.org",
        "https://github.com",
        "https://openfontlicense.org",
        "https://scripts.sil.org",
    }
    for name, asset in assets().items():
        if not name.endswith((".woff2", ".txt")):
            found = set(re.findall(rb"https?://[\w.-]+\.\w+", asset.body))
            assert {one.decode() for one in found} <= allowed, name


def test_a_file_is_sent_once(worker: TestClient) -> None:
    name = next(name for name in assets() if name.endswith(".js"))
    first = worker.get(f"/{name}", headers={"accept-encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert first.content == assets()[name].body  # the client has unpacked it
    assert first.headers["cache-control"] == FOREVER
    again = worker.get(f"/{name}", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert worker.get("/").headers["cache-control"] == "no-cache"


def test_whoever_reads_no_gzip_gets_plain_bytes(worker: TestClient) -> None:
    name, asset = next((name, asset) for name, asset in assets().items() if name.endswith(".css"))
    plain = worker.get(f"/{name}", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == asset.body
    assert asset.packed is not None
    assert gzip.decompress(asset.packed) == asset.body
    head = worker.head(f"/{name}", headers={"accept-encoding": "identity"})
    assert (head.content, head.headers["content-length"]) == (b"", str(len(asset.body)))


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/..%2findex.html", "/index.html"])
def test_there_are_no_other_files(worker: TestClient, path: str) -> None:
    answer = worker.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_picture_is_the_very_file_of_the_record(worker: TestClient) -> None:
    answer = worker.get("/v1/items/i4/image")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == data_of(worker, "i4") == senses.picture(senses.THEMES["space"][1], 4)
    again = worker.get("/v1/items/i4/image", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_picture_that_is_a_file_is_read_from_it(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "poster.jpg"
    file.write_bytes(senses.picture((1, 2, 3), form="JPEG"))
    (tmp_path / "poster.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")
    shop.records.put_items([
        Item(ItemId("jpeg"), image=str(file)), Item(ItemId("svg"), image=str(tmp_path / "poster.svg")),
        Item(ItemId("gone"), image=str(tmp_path / "gone.png")),
    ])  # fmt: skip
    with shop.worker() as client:
        answer = client.get("/v1/items/jpeg/image")
        assert (answer.headers["content-type"], answer.content) == ("image/jpeg", file.read_bytes())
        for name, reason in (("svg", "not a picture of a kind"), ("gone", "no such file")):
            refused = client.get(f"/v1/items/{name}/image")
            assert refused.status_code == 404
            assert reason in refused.json()["detail"]


def test_a_picture_on_the_web_is_where_it_is(shop: Shop) -> None:
    """Line ends in an address make no second header of it."""
    shop.records.put_items([
        Item(ItemId("web"), image="https://cdn.example/a.jpg?w=3"), Item(ItemId("odd"), image="http://x/ä\r\nb: c"),
    ])  # fmt: skip
    with shop.worker() as client:
        for name, where in (("web", "https://cdn.example/a.jpg?w=3"), ("odd", "http://x/%C3%A4%0D%0Ab:%20c")):
            answer = client.get(f"/v1/items/{name}/image", follow_redirects=False)
            assert (answer.status_code, answer.headers["location"], answer.content) == (302, where, b"")


@pytest.mark.parametrize(("item", "says"), [("i45", "has no picture"), ("nothing", "there is no item")])
def test_an_item_without_a_picture_says_so(worker: TestClient, item: str, says: str) -> None:
    assert item == "nothing" or item == f"i{senses.BLIND}"
    answer = worker.get(f"/v1/items/{item}/image")
    assert answer.status_code == 404
    assert says in answer.json()["detail"]


def test_what_is_not_a_picture_is_not_sent() -> None:
    for form, kind in (("PNG", "png"), ("JPEG", "jpeg"), ("GIF", "gif"), ("WEBP", "webp"), ("BMP", "bmp")):
        assert kind_of(senses.picture((9, 9, 9), form=form)) == f"image/{kind}"
    for data in (b"", b"<html>", b"RIFF1234WAVE", b"%PDF"):
        with pytest.raises(UnreadableError, match="not a picture of a kind"):
            kind_of(data)


def test_the_data_set_tells_what_a_page_needs(worker: TestClient) -> None:
    told = worker.get("/v1/dataset").json()
    assert (told["dataset"], told["users"], told["items"]) == ("senses", 4, senses.N - 1)  # one is hidden
    assert told["category"] == "theme"
    # 48 items take turns of four themes; the hidden one, row 46, is of the third.
    assert {one["name"]: one["items"] for one in told["categories"]} == {
        "space": 12, "cooking": 12, "horror": 11, "football": 12,
    }  # fmt: skip
    assert told["picture_ratio"] == 1.0
    assert told["reads"]
    assert told["looks"]
    assert told["item_features"]["year"] == {"kind": "numeric"}


def test_the_shape_of_pictures_is_the_middle_one_of_a_sample(shop: Shop, tmp_path: Path) -> None:
    """Of 12 pictures of 24 by 24, seven are made to be 150 by 100."""
    for row in range(7):
        file = tmp_path / f"{row}.png"
        Image.new("RGB", (150, 100)).save(file)
        shop.records.put_items([Item(ItemId(f"i{row}"), image=str(file))])
    with shop.worker() as client:
        assert client.get("/v1/dataset").json()["picture_ratio"] == 1.5


def test_a_picture_that_says_it_is_endless_takes_no_page_down(shop: Shop, tmp_path: Path) -> None:
    plain, size = senses.picture((1, 2, 3)), struct.pack(">II", 30_000, 30_000)
    head = b"IHDR" + size + plain[24:29]
    file = tmp_path / "bomb.png"
    file.write_bytes(plain[:12] + head + struct.pack(">I", zlib.crc32(head)) + plain[33:])
    with pytest.raises(Image.DecompressionBombError):
        Image.open(file)
    shop.records.put_items([Item(ItemId("i0"), image=str(file))])
    with shop.worker() as client:
        assert client.get("/v1/dataset").json()["picture_ratio"] == 1.0


def test_an_item_that_is_added_is_counted_until_it_goes(worker: TestClient) -> None:
    worker.post("/v1/items", json={"item_id": "new", "title": "Seen", "features": {"theme": "sea"}})
    told = worker.get("/v1/dataset").json()
    assert told["items"] == senses.N
    assert {"name": "sea", "items": 1} in told["categories"]
    worker.delete("/v1/items/new")
    assert worker.get("/v1/dataset").json()["items"] == senses.N - 1


def test_a_source_lists_what_it_has_without_what_a_user_has_seen(worker: TestClient) -> None:
    # Row r is the r-th most popular. u0 has taken rows 0, 4, 8 and 12.
    assert ids(worker.get("/v1/lists/popular?limit=3")) == ["i0", "i1", "i2"]
    assert ids(worker.get("/v1/lists/popular?limit=3&user_id=u0")) == ["i1", "i2", "i3"]
    assert ids(worker.get("/v1/lists/popular?limit=2&offset=1&category=space")) == ["i4", "i8"]
    answer = worker.get("/v1/lists/popular?limit=1").json()
    assert (answer["items"][0]["source"], answer["degraded"]) == ("popular", False)


def test_a_list_that_the_model_lacks_is_empty_and_an_unknown_one_refused(worker: TestClient) -> None:
    assert ids(worker.get("/v1/lists/rules?user_id=u0")) == []
    refused = worker.get("/v1/lists/no-such")
    assert refused.status_code == 422
    assert "popular" in refused.json()["detail"]


def test_users_are_found_by_a_part_of_their_id(worker: TestClient, bundle: Bundle) -> None:
    assert worker.get("/v1/users").json() == {"users": ["u0", "u1", "u2", "u3"], "total": 4}
    assert worker.get("/v1/users?q=2").json() == {"users": ["u2"], "total": 1}
    assert worker.get("/v1/users?q=U&limit=2").json() == {"users": ["u0", "u1"], "total": 4}
    assert worker.get("/v1/users?limit=0").status_code == 422


def test_ids_are_in_the_order_in_which_people_count() -> None:
    ids = tuple(str(number) for number in (10, 2, 1, 21, 12, 100))
    assert matching(ids, "", 9) == (["1", "2", "10", "12", "21", "100"], 6)
    assert matching(ids, "2", 9) == (["2", "21", "12"], 3)


@given(st.lists(st.text(max_size=4), unique=True, max_size=8), st.text(max_size=2), st.integers(1, 5))
def test_what_is_found_holds_what_was_asked(ids: list[str], part: str, limit: int) -> None:
    found, total = matching(tuple(ids), part, limit)
    assert len(found) == min(limit, total)
    assert all(part.casefold() in name.casefold() for name in found)
    assert total == sum(part.casefold() in name.casefold() for name in ids)


RATING = {"value": True, "minimum": 1, "maximum": 5, "positive_from": 4}


@pytest.mark.parametrize(
    ("declared", "like", "dismiss", "look"),
    [
        ({"rating": RATING}, ("rating", 5), ("rating", 1), None),
        ({"view": {"weight": 0.3}, "like": {}, "rating": RATING, "dismiss": {"polarity": "negative"}},
         ("like", None), ("dismiss", None), ("view", None)),
        ({"view": {"weight": 0.3}, "addtocart": {}, "transaction": {"weight": 1.5}},
         ("transaction", None), None, ("view", None)),
        ({"search_query": {"query": True}, "product_click": {}},
         ("product_click", None), None, ("product_click", None)),
        ({"hide": {"polarity": "negative"}}, None, ("hide", None), None),
    ],
)  # fmt: skip
def test_gestures_are_said_in_the_words_of_the_data_set(declared, like, dismiss, look) -> None:  # type: ignore[no-untyped-def]
    schema = DatasetSchema.model_validate({"name": "x", "interactions": declared})
    found = gestures(schema)
    said = [None if one is None else (one.type, one.value) for one in (found.like, found.dismiss, found.open)]
    assert said == [like, dismiss, look]
