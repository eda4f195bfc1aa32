"""What clients of the posts, pictures and retailer systems call today, answered as they expect; written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from catalog.errors import StoreError
from catalog.records import Item, ItemId
from tests.bundle import senses
from tests.bundle.make import item_id
from tests.serving.sensing import Shop


def is_problem(answer: Any, status: int, field: str | None = None) -> None:
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert isinstance(body["detail"], str)
    assert body["detail"]
    if field is not None:
        assert [one["field"] for one in body["errors"]] == [field]


class TestPosts:
    def test_the_exact_shape(self, worker: TestClient) -> None:
        answer = worker.get("/post/recommendations/", params={"id": "u0", "limit": 2})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        posts = answer.json()
        ranked = worker.get("/v1/users/u0/recommendations", params={"limit": 2}).json()["items"]
        rows = [int(item["item_id"][1:]) for item in ranked]
        assert posts == [
            {"id": f"i{row}", "text": senses.item(row).text, "topic": senses.theme(row)} for row in rows
        ]

    def test_five_by_default_and_with_or_without_the_last_slash(self, worker: TestClient) -> None:
        posts = worker.get("/post/recommendations/?id=u0").json()
        assert len(posts) == 5
        assert worker.get("/post/recommendations?id=u0").json() == posts

    def test_as_of_a_moment(self, client: TestClient) -> None:
        """u1's events are at 1,000 … 4,000: strictly before 2,000 there is only the one on row 1."""

        def shown(**query: Any) -> set[str]:
            answer = client.get("/post/recommendations/", params={"id": "u1", "limit": 500, **query})
            return {post["id"] for post in answer.json()}

        assert {item_id(5), item_id(9), item_id(13)} <= shown(time="1970-01-01T00:33:20")
        assert item_id(1) not in shown(time=2000)
        assert not {item_id(row) for row in (1, 5, 9, 13)} & shown()

    def test_a_post_without_a_text_shows_its_title(self, client: TestClient) -> None:
        posts = client.get("/post/recommendations/", params={"id": "u1", "limit": 500}).json()
        assert {"id": "i17", "text": "Film 17, The (2007)", "topic": "green"} in posts
        assert {"id": "i37", "text": "", "topic": ""} in posts

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({}, "query.id"), ({"id": ""}, "query.id"), ({"id": "1", "limit": 0}, "query.limit"),
            ({"id": "1", "limit": 501}, "query.limit"), ({"id": "1", "limit": "x"}, "query.limit"),
            ({"id": "1", "time": "yesterday"}, "query.time"),
        ],
    )  # fmt: skip
    def test_what_is_wrong(self, client: TestClient, query: dict[str, Any], field: str) -> None:
        is_problem(client.get("/post/recommendations/", params=query), 422, field)


class TestPictures:
    def ask(self, client: TestClient, **query: Any) -> Any:
        return client.get("/recommendations", params={"user_id": "u0", **query})

    def test_the_exact_shape(self, worker: TestClient) -> None:
        body = self.ask(worker, limit=1).json()
        query = {"limit": 1, "w_text": 1, "w_image": 1, "w_behaviour": 1}
        (native,) = worker.get("/v1/users/u0/recommendations", params=query).json()["items"]
        assert native["source"] == "fused"
        assert body == {
            "user_id": "u0",
            "recommendations": [{
                "post_id": native["item_id"], "caption": native["metadata"]["title"],
                "image": f"/v1/items/{native['item_id']}/image", "score": native["score"],
                "likeness": native["likeness"],
            }],
        }  # fmt: skip
        assert -1 <= native["score"] <= 1

    def test_weights_decide(self, worker: TestClient) -> None:
        """Each alone ranks by that cosine alone, and leaves the others at nothing."""
        for name in ("text", "image", "behaviour"):
            weights = {f"w_{other}": float(other == name) for other in ("text", "image", "behaviour")}
            posts = self.ask(worker, limit=5, **weights).json()["recommendations"]
            assert [post["score"] for post in posts] == pytest.approx(
                [post["likeness"][name] for post in posts], abs=1e-4
            )
            assert [post["score"] for post in posts] == sorted((p["score"] for p in posts), reverse=True)

    def test_a_stranger_gets_what_is_popular_and_is_told_so(self, worker: TestClient) -> None:
        body = self.ask(worker, user_id="nobody", limit=3).json()
        assert body["fallback_reason"] == "no_history"
        assert [post["score"] for post in body["recommendations"]] == [None] * 3
        assert [post["likeness"] for post in body["recommendations"]] == [None] * 3

    def test_where_pictures_are(self, shop: Shop) -> None:
        """On the web, in the record, nowhere."""
        shop.records.put_items([
            Item(ItemId("i20"), "a", "b", "https://cdn.example/20.jpg", senses.item(20).features)
        ])  # fmt: skip
        with shop.worker() as client:
            posts = self.ask(client, limit=500).json()["recommendations"]
        found = {post["post_id"]: post["image"] for post in posts}
        assert (found["i20"], found["i21"]) == ("https://cdn.example/20.jpg", "/v1/items/i21/image")
        assert found[f"i{senses.BLIND}"] is None

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"user_id": ""}, "query.user_id"), ({"limit": 0}, "query.limit"), ({"limit": 501}, "query.limit"),
            ({"w_text": -1}, "query.w_text"), ({"w_image": "nan"}, "query.w_image"),
            ({"w_text": 0, "w_image": 0, "w_behaviour": 0}, "query"),
        ],
    )  # fmt: skip
    def test_what_is_wrong(self, worker: TestClient, query: dict[str, Any], field: str) -> None:
        is_problem(self.ask(worker, **query), 422, field)
        is_problem(worker.get("/recommendations"), 422, "query.user_id")


class TestRetailer:
    def test_the_exact_shape(self, client: TestClient) -> None:
        answer = client.post("/recommend", json={"user_id": "u1", "k": 3})
        body = answer.json()
        assert answer.status_code == 200
        latency = body.pop("latency_ms")
        assert latency > 0
        assert latency == round(latency, 2)
        native = client.get("/v1/users/u1/recommendations", params={"limit": 3}).json()["items"]
        assert body == {"user_id": "u1", "recommendations": [item["item_id"] for item in native]}

    def test_numbers_for_whoever_sends_numbers(self, worker: TestClient) -> None:
        """Ids that are no numbers stay what they are."""
        assert worker.post("/v1/items", json={"item_id": "461686", "title": "Moon"}).status_code == 201
        body = worker.post("/recommend", json={"user_id": 35, "k": 500}).json()
        assert body["user_id"] == 35
        assert 461686 in body["recommendations"]
        assert "i2" in body["recommendations"]
        body = worker.post("/recommend", json={"user_id": "35", "k": 500}).json()
        assert body["user_id"] == "35"
        assert "461686" in body["recommendations"]

    @pytest.mark.parametrize("user", [0, -7, 2**53 - 1, 2**53, 2**63, "007", "x" * 1024, "ü/ 🎬"])
    def test_any_user_is_echoed(self, client: TestClient, user: int | str) -> None:
        """Numbers that not every reader holds come back as text."""
        body = client.post("/recommend", json={"user_id": user}).json()
        assert body["user_id"] == (str(user) if user in (2**53, 2**63) else user)
        assert len(body["recommendations"]) == 10

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "body.user_id"), ({"user_id": None}, "body.user_id"), ({"user_id": True}, "body.user_id"),
            ({"user_id": 1.5}, "body.user_id"),
            ({"user_id": 10**30}, "body.user_id"), ({"user_id": ""}, "body.user_id"),
            ({"user_id": [1]}, "body.user_id"),
            ({"user_id": 1, "k": 0}, "body.k"), ({"user_id": 1, "k": 501}, "body.k"),
            ({"user_id": 1, "k": "3"}, "body.k"), ({"user_id": 1, "k": None}, "body.k"), ([], "body"), (3, "body"),
            ({"user_id": 1, "k": 10.5}, "body.k"), ({"user_id": 1, "k": True}, "body.k"),
            ({"user_id": 1, "k": 0.0}, "body.k"), ({"user_id": 1, "k": 1e300}, "body.k"),
        ],
    )  # fmt: skip
    def test_what_is_wrong(self, client: TestClient, body: Any, field: str) -> None:
        is_problem(client.post("/recommend", json=body), 422, field)

    def test_a_count_is_a_whole_number_however_it_is_written(self, client: TestClient) -> None:
        """A column of counts with a gap in it is one of floats to pandas; JSON Schema knows no difference."""
        for content in (b'{"user_id": 1, "k": 3}', b'{"user_id": 1, "k": 3.0}', b'{"user_id": 1, "k": 3e0}'):
            assert len(client.post("/recommend", content=content).json()["recommendations"]) == 3
        assert len(client.get("/recommendations?user_id=1&limit=3.0").json()["recommendations"]) == 3
        assert len(client.get("/post/recommendations/?id=1&limit=3.0").json()) == 3

    def test_what_is_no_json(self, client: TestClient) -> None:
        for content in (b"", b"{", b"\xff"):
            is_problem(client.post("/recommend", content=content), 422)
        is_problem(client.get("/recommend"), 405)


def test_what_is_shown_while_the_database_is_down(worker: TestClient) -> None:
    """Texts and pictures stay away, the answers do not."""

    async def down(*_: object) -> None:
        raise StoreError("down")

    live = worker.app.state.service.store._store  # type: ignore[attr-defined]
    for name in ("told", "columns", "user"):
        setattr(live, name, down)
    posts = worker.get("/post/recommendations/", params={"id": "u0", "limit": 1}).json()
    assert posts[0]["text"].startswith("The ")
    picture = worker.get("/recommendations", params={"user_id": "u0", "limit": 1}).json()
    assert picture["recommendations"][0]["image"].startswith("/v1/items/i")
    assert worker.post("/recommend", json={"user_id": "u0"}).status_code == 200


def test_interactions_of_one_shape_are_seen_by_the_others(worker: TestClient) -> None:
    worker.post("/v1/interactions", json={"user_id": "9", "item_id": "i0", "type": "click"})
    for answer in (
        worker.get("/post/recommendations/", params={"id": 9, "limit": 500}),
        worker.get("/recommendations", params={"user_id": 9, "limit": 500}),
        worker.post("/recommend", json={"user_id": 9, "k": 500}),
    ):
        assert answer.status_code == 200
        assert '"i0"' not in answer.text
        assert '"i1"' in answer.text


def test_numbers_that_no_answer_can_hold_are_refused_like_others(client: TestClient) -> None:
    """A number of more than 64 bits is named in the answer, as text; of many faults the first hundred are."""
    answer = client.post("/v1/rank", json={"user_id": "1", "candidates": 2**70})
    is_problem(answer, 422, "body.candidates")
    assert answer.json()["errors"][0]["found"] == str(2**70)
    body = {"user_id": "1", "candidate_movies": [3] * 200}
    answer = client.post("/recommendation/ranked_recommendation", json=body)
    is_problem(answer, 422)
    assert len(answer.json()["errors"]) == 100


@pytest.mark.parametrize(
    ("body", "says"),
    [([1], "expected an object"), (3, "expected an object"),
     ({"user_id": 10**30}, "expected an id: a text, or a whole number of at most 64 bits"),
     ({"user_id": "x" * 2000}, "at most 1024"),
     ({"user_id": 1, "k": 10.5}, "body.k: expected a whole number, found 10.5")],
)  # fmt: skip
def test_what_is_wrong_is_told_in_words_of_the_caller(client: TestClient, body: Any, says: str) -> None:
    """No class of ours, no library's prefix."""
    detail = client.post("/recommend", json=body).json()["detail"]
    assert says in detail
    assert "RecommendIn" not in detail
    assert "Value error" not in detail
