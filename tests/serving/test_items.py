"""Items and users over HTTP: written here, in the next answers here, and in everybody's soon."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from catalog.records import User, UserId
from tests.bundle import senses
from tests.bundle.make import HOSTILE
from tests.patience import eventually
from tests.serving.sensing import Shop, body_of, ids

NEW = senses.item(48)
"""About space, as what u0 clicked on."""


def recommended(client: TestClient, user: str = "u0", **query: Any) -> list[str]:
    return ids(client.get(f"/v1/users/{user}/recommendations", params={"limit": 20, **query}))


class TestANewItem:
    def test_it_is_in_every_answer_at_once(self, worker: TestClient) -> None:
        assert "i48" not in recommended(worker)
        posted = worker.post("/v1/items", json=body_of(NEW))
        assert posted.status_code == 201
        answer = posted.json()
        assert (answer["created"], answer["text"], answer["image"]) == (True, True, True)
        assert answer["encoded"] == ["text", "image"]
        assert "i48" in recommended(worker)[:10], "for somebody whose taste it matches"
        assert "i48" not in recommended(worker, "u1")[:9], "of whose ten the last is a newcomer's"
        assert "i48" in ids(worker.get("/v1/items/i0/similar"))
        assert ids(worker.get("/v1/search", params={"q": NEW.title}))[0] == "i48"
        looked = worker.post("/v1/search/image", json={"image": NEW.image}, params={"limit": 500})
        assert "i48" in ids(looked)
        assert set(ids(worker.get("/v1/items/i48/similar", params={"limit": 5}))) <= {
            f"i{row}" for row in range(0, 48, 4)
        }

    def test_it_is_ranked_and_remembered_like_others(self, worker: TestClient) -> None:
        worker.post("/v1/items", json=body_of(NEW))
        ranked = worker.post("/v1/rank", json={"user_id": "u0", "candidates": ["i1", "i48", "i49"]}).json()
        assert [(one["item_id"], one.get("unknown", False)) for one in ranked["items"]] == [
            ("i48", False), ("i1", False), ("i49", True)
        ]  # fmt: skip
        assert ranked["items"][0]["metadata"]["theme"] == "space"
        event = {"user_id": "u2", "item_id": "i48", "type": "click"}
        assert worker.post("/v1/interactions", json=event).json()["accepted"] == 1
        after = worker.get("/v1/users/u2/recommendations", params={"limit": 5, "explain": True})
        assert "i48" not in ids(after), "it has been seen"
        assert {item["metadata"]["theme"] for item in after.json()["items"]} == {"space"}
        assert after.json()["items"][0]["explanation"]["item_id"] == "i48"
        movies = {"user_id": "u0", "candidate_movies": [NEW.title.upper()]}
        found = worker.post("/recommendation/ranked_recommendation", json=movies).json()["response"]
        assert [one["item_id"] for one in found] == ["i48"]

    def test_others_hear_of_it_and_encode_nothing(self, shop: Shop) -> None:
        with shop.worker() as one, shop.worker() as other:
            one.post("/v1/items", json=body_of(NEW))
            known = dict(shop.vectors._vectors)
            eventually(lambda: "i48" in ids(other.get("/v1/items/i0/similar")))
            eventually(lambda: "i48" in recommended(other))
            assert shop.vectors._vectors == known
            one.patch("/v1/items/i48", json={"available": False})
            assert "i48" not in recommended(one)
            eventually(lambda: "i48" not in recommended(other))
            other.delete("/v1/items/i0")
            eventually(lambda: "i0" not in recommended(one, "u3", limit=500))

    def test_it_is_there_after_a_restart(self, shop: Shop) -> None:
        with shop.worker() as client:
            client.post("/v1/items", json=body_of(NEW))
            client.delete("/v1/items/i5")
            before = client.get("/v1/items/i48/similar").json()["items"]
        with shop.worker() as again:
            assert again.get("/v1/items/i48/similar").json()["items"] == before
            assert "i5" not in recommended(again, "u3", limit=500)
            assert ids(again.get("/v1/search", params={"q": "q48"})) == [
                "i48",
                *ids(again.get("/v1/search?q=q48"))[1:],
            ]

    @pytest.mark.parametrize("name", [*sorted(set(HOSTILE.values()) - {"."}), "ü", "x/similar2"])
    def test_any_id_will_do(self, worker: TestClient, name: str) -> None:
        at = f"/v1/items/{quote(name, safe='')}"
        assert worker.put(at, json=body_of(NEW) | {"title": "Odd"} | {"item_id": None}).status_code == 422
        body = {key: value for key, value in body_of(NEW).items() if key != "item_id"}
        assert worker.put(at, json=body).status_code == 201
        assert worker.get(at).json()["item_id"] == name
        assert len(ids(worker.get(f"{at}/similar"))) == 10
        assert name in recommended(worker)
        assert worker.delete(at).json() == {"item_id": name, "deleted": True}
        assert name not in recommended(worker)

    def test_without_content_it_is_known_by_its_features(self, worker: TestClient) -> None:
        bare = worker.post("/v1/items", json={"item_id": "bare"})
        assert (bare.status_code, bare.json()["text"], bare.json()["image"]) == (201, False, False)
        assert bare.json()["encoded"] == []
        assert "bare" in recommended(worker, limit=500)
        assert ids(worker.get("/v1/items/bare/similar?w_text=1")) == [], "there is nothing to compare"


class TestAChange:
    def test_only_what_is_new_is_encoded(self, worker: TestClient) -> None:
        worker.post("/v1/items", json=body_of(NEW))
        other = senses.item(49)
        for changes, encoded in [
            ({}, []), ({"features": {"theme": "cooking"}}, []), ({"title": "Another title"}, ["text"]),
            ({"title": "Another title", "image": other.image}, ["image"]), ({"image": None}, []),
            ({"title": "Another title", "image": other.image}, []),
        ]:  # fmt: skip
            body = {key: value for key, value in body_of(NEW, **changes).items() if key != "item_id"}
            answer = worker.put("/v1/items/i48", json=body)
            assert (answer.status_code, answer.json()["encoded"]) == (200, encoded), changes

    def test_the_next_answers_are_of_what_it_is_now(self, worker: TestClient) -> None:
        """An item of the bundle turns from space to cooking: content, category and words follow, its row stays."""
        cooking = senses.item(49)
        body = {key: value for key, value in body_of(cooking).items() if key != "item_id"}
        assert "i16" in recommended(worker)[:10]
        near = ids(worker.get("/v1/items/i20/similar", params={"limit": 20}))
        assert "i16" in near
        assert worker.put("/v1/items/i16", json=body).json()["created"] is False
        assert "i16" not in ids(worker.get("/v1/items/i20/similar", params={"limit": 10, "w_text": 1}))
        assert "i16" in ids(worker.get("/v1/items/i1/similar", params={"limit": 20, "w_text": 1}))
        assert "i16" not in recommended(worker, category="space", limit=500)
        assert "i16" in recommended(worker, category="cooking", limit=500)
        assert "i16" in ids(worker.get("/v1/search", params={"q": "q49"}))
        assert "i16" not in ids(worker.get("/v1/search", params={"q": "q16", "limit": 1}))
        listed = worker.post("/v1/rank", json={"user_id": "u0", "candidates": ["i16"]}).json()["items"]
        assert listed[0]["metadata"]["theme"] == "cooking"
        assert ids(worker.get("/v1/items/i8/similar?by=covisitation")) == ["i12", "i16"], (
            "what users did stays"
        )

    def test_a_patch_leaves_the_rest_as_it_is(self, worker: TestClient) -> None:
        worker.post("/v1/items", json=body_of(NEW))
        before = worker.get("/v1/items/i48").json()
        assert worker.patch("/v1/items/i48", json={"features": {"year": 7, "tags": None}}).status_code == 200
        after = worker.get("/v1/items/i48").json()
        assert after["features"] == {"theme": "space", "year": 7}
        assert {**after, "features": 0, "updated": 0} == {**before, "features": 0, "updated": 0}
        worker.patch("/v1/items/i48", json={"text": None, "image": None, "available": False})
        hidden = worker.get("/v1/items/i48").json()
        assert (hidden["text"], hidden["image"], hidden["available"]) == ("", False, False)
        assert hidden["title"] == NEW.title
        assert worker.patch("/v1/items/nope", json={"title": "x"}).status_code == 404

    def test_hidden_is_hidden_everywhere_and_known_still(self, worker: TestClient) -> None:
        worker.post("/v1/items", json=body_of(NEW))
        worker.patch("/v1/items/i48", json={"available": False})
        assert "i48" not in recommended(worker, limit=500)
        assert "i48" not in ids(worker.get("/v1/items/i0/similar", params={"limit": 500}))
        assert "i48" not in ids(worker.get("/v1/search", params={"q": NEW.title, "limit": 500}))
        assert len(ids(worker.get("/v1/items/i48/similar"))) == 10
        worker.patch("/v1/items/i48", json={"available": True})
        assert "i48" in recommended(worker)

    def test_deleted_is_gone_until_it_comes_back(self, worker: TestClient) -> None:
        assert "i16" in recommended(worker)
        assert worker.delete("/v1/items/i16").status_code == 200
        assert "i16" not in recommended(worker, limit=500)
        for answer in (worker.get("/v1/items/i16"), worker.delete("/v1/items/i16")):
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert worker.put("/v1/items/i16", json={"title": "Back"}).json()["created"] is False
        assert "i16" in recommended(worker, limit=500)


class TestBodies:
    def test_a_form_with_an_upload(self, worker: TestClient) -> None:
        data = senses.picture((20, 20, 90), 5)
        form = {
            "item_id": "form",
            "title": "Rocket",
            "features": json.dumps({"theme": "space"}),
            "available": "true",
        }
        answer = worker.post("/v1/items", data=form, files={"image": ("a.png", data, "image/png")})
        assert (answer.status_code, answer.json()["image"]) == (201, True)
        assert worker.get("/v1/items/form").json()["features"] == {"theme": "space"}
        found = worker.post("/v1/search/image", files={"image": ("b.png", data, "image/png")})
        assert "form" in ids(found)[:4]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"item_id": ""}, "body.item_id"), ({"item_id": "a\0"}, "body.item_id"), ({"title": 3}, "body.title"),
            ({"title": "x" * 10_001}, "body.title"), ({"text": "x" * 1_048_577}, "body.text"),
            ({"colour": "red"}, "body.colour"), ({"available": "perhaps"}, "body.available"),
            ({"features": {"price": 3}}, "body.features.price"),
            ({"features": {"year": "new"}}, "body.features.year"),
            ({"features": {"tags": "x"}}, "body.features.tags"),
            ({"features": {"tags": ["x"] * 201}}, "body.features.tags"),
            ({"features": {"theme": 1.5}}, "body.features.theme"),
            ({"features": {"theme": True}}, "body.features.theme"),
            ({"features": [1]}, "body.features"), ({"image": "/etc/passwd"}, "body.image"),
            ({"image": "file:///etc/passwd"}, "body.image"), ({"image": "data:image/png;base64,@@@"}, "body.image"),
            ({"image": "http://127.0.0.1/x.png"}, "body.image"), ({"image": "ftp://host/x.png"}, "body.image"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named_and_nothing_is_written(
        self, worker: TestClient, changes: dict[str, Any], field: str
    ) -> None:
        answer = worker.post("/v1/items", json=body_of(NEW, **changes))
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"].startswith(field)
        assert worker.get("/v1/items/i48").status_code == 404
        assert "i48" not in recommended(worker, limit=500)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"item_id": "\\ud800"}'])
    def test_bodies_that_are_no_items(self, worker: TestClient, content: bytes) -> None:
        answer = worker.post("/v1/items", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"

    def test_forms_that_are_none(self, worker: TestClient) -> None:
        png = ("a.png", senses.picture((1, 2, 3)), "image/png")
        for request in (
            {"data": {"item_id": "x", "features": "{"}}, {"data": {"item_id": "x"}, "files": {"picture": png}},
            {"data": {"item_id": "x", "image": NEW.image}, "files": {"image": png}},
            {"files": [("image", png), ("image", png)]},
            {"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=y"}},
        ):  # fmt: skip
            answer = worker.post("/v1/items", **request)  # type: ignore[arg-type]
            assert answer.status_code in (400, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"

    def test_uploads_are_bounded(self, shop: Shop) -> None:
        with shop.worker(max_upload_bytes=50_000, max_body_bytes=2000) as client:
            big = {"image": ("a.png", b"x" * 60_000, "image/png")}
            assert client.post("/v1/items", data={"item_id": "x"}, files=big).status_code == 413
            assert client.post("/v1/search/image", files=big).status_code == 413
            assert client.put("/v1/items/x", content=(b" " * 5000 for _ in range(20))).status_code == 413
            assert client.post("/v1/items", json=body_of(NEW, text="word " * 1000)).status_code == 201
            assert client.post("/v1/users", content=b" " * 3000).status_code == 413


class TestUsers:
    def test_a_user_comes_changes_and_goes(self, shop: Shop, worker: TestClient) -> None:
        answer = worker.post("/v1/users", json={"user_id": "new/ü", "features": {"age": 31, "job": "cook"}})
        assert (answer.status_code, answer.json()) == (201, {"user_id": "new/ü", "created": True})
        at = "/v1/users/new%2F%C3%BC"
        assert worker.get(at).json() == {"user_id": "new/ü", "features": {"age": 31, "job": "cook"}}
        assert worker.put(at, json={"features": {"age": 32}}).status_code == 200
        assert User(UserId("new/ü"), {"age": 32.0}) in list(shop.records.users())
        click = {"user_id": "new/ü", "item_id": "i1", "type": "click"}
        worker.post("/v1/interactions", json=[click, {**click, "item_id": "i5"}])
        assert worker.delete(at).json() == {"user_id": "new/ü", "deleted": True, "interactions": 2}
        assert worker.get(at).status_code == worker.delete(at).status_code == 404
        assert worker.get(f"{at}/interactions").json()["interactions"] == []
        assert len(ids(worker.get(f"{at}/recommendations"))) == 10, "somebody unknown gets an answer too"

    @pytest.mark.parametrize(
        "body", [{}, {"user_id": "x", "features": {"theme": "a"}}, {"user_id": "x", "features": {"age": "old"}},
                 {"user_id": "x", "name": "y"}],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, worker: TestClient, body: dict[str, Any]) -> None:
        answer = worker.post("/v1/users", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["errors"][0]["field"].startswith("body.")


def test_of_many_who_change_an_item_at_once_nobody_is_overwritten_unseen(worker: TestClient) -> None:
    """Patches of different features by threads that do not know of each other: all are there in the end."""
    worker.post("/v1/items", json=body_of(NEW))

    def change(changes: dict[str, Any]) -> int:
        while (status := worker.patch("/v1/items/i48", json=changes).status_code) == 409:
            pass
        return status

    changes = [{"title": "T"}, {"text": "X"}, {"features": {"year": 1}}, {"features": {"theme": "horror"}}]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(change, changes)) == [200] * 4
    item = worker.get("/v1/items/i48").json()
    assert (item["title"], item["text"], item["features"]["year"]) == ("T", "X", 1)
    assert item["features"]["theme"] == "horror"
    assert "i48" in recommended(worker, category="horror", limit=500)
