"""Search by words, meaning and picture: fused ranks by hand, exact names first, and in whose eyes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from bundle.reader import Bundle
from catalog.records import History, User, UserId
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import Query, UserState
from serving.search.hybrid import search
from tests.bundle import senses
from tests.serving.sensing import Shop, body_of, ids


@pytest.fixture(scope="module")
def pipeline(sensing_bundle: Path) -> Pipeline:
    return Pipeline(Bundle.open(sensing_bundle))


def cosines(**of: float) -> np.ndarray:
    """Cosines of all items: NaN but for those given as r7=0.5."""
    out = np.full(senses.N, np.nan, np.float32)
    for name, value in of.items():
        out[int(name[1:])] = value
    return out


def test_ranks_are_fused_as_by_hand(pipeline: Pipeline) -> None:
    likes = {"meaning": cosines(r1=0.9, r2=0.8, r3=0.7), "picture": cosines(r3=0.4, r1=0.3)}
    found = search(pipeline, Query(limit=10), "", likes, None)
    assert found.rows.tolist() == [1, 3, 2]
    assert found.scores.tolist() == pytest.approx([1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62])
    assert found.sources == ["meaning", "picture", "meaning"]
    assert search(pipeline, Query(limit=1, offset=1), "", likes, None).rows.tolist() == [3]
    only = search(pipeline, Query(limit=10, categories=("horror",)), "", likes, None)
    assert only.rows.tolist() == [2]
    hidden = search(pipeline, Query(limit=10), "", {"meaning": cosines(r46=1.0)}, None)
    assert (len(hidden.rows), hidden.sources) == (0, [])


def test_the_very_name_comes_first_whatever_the_lists_say(pipeline: Pipeline) -> None:
    title = pipeline.catalogue.shown(7)["title"]
    assert isinstance(title, str)
    against = {"meaning": cosines(**{f"r{row}": 1 - row / 100 for row in range(44) if row != 7})}
    for spelling in (
        title,
        title.upper(),
        f"  {title.replace(' ', '   ')} ",
        title.removeprefix("The ") + ", the",
    ):
        found = search(pipeline, Query(limit=3), " ".join(spelling.split()), against, None)
        assert (found.rows[0], found.sources[0]) == (7, "name")
        assert found.scores[0] > 1 > found.scores[1]


def test_what_suits_the_user_comes_sooner(pipeline: Pipeline) -> None:
    """Two items that a search finds alike; a history of the one's theme decides."""
    likes = {"meaning": cosines(r20=0.6, r21=0.5), "picture": cosines(r21=0.6, r20=0.5)}
    for theme, first in ((0, 20), (1, 21)):
        rows = np.arange(theme, 16, 4)
        history = History(rows, np.full(4, 2), np.full(4, np.nan, np.float32), rows * 1.0)
        state = UserState(User(UserId("x")), history, rows)
        assert search(pipeline, Query(), "", likes, state).rows[0] == first
    stranger = UserState(User(UserId("x")), History.empty(), rows[:0])
    same = search(pipeline, Query(), "", likes, None)
    assert search(pipeline, Query(), "", likes, stranger).scores.tolist() == same.scores.tolist()


class TestOverHttp:
    def ask(self, client: TestClient, q: str, **query: Any) -> Any:
        return client.get("/v1/search", params={"q": q, **query})

    def test_words_meaning_and_filters(self, worker: TestClient) -> None:
        answer = self.ask(worker, "soup with garlic", limit=5).json()
        assert {item["metadata"]["theme"] for item in answer["items"]} == {"cooking"}
        assert {item["source"] for item in answer["items"]} <= {"words", "meaning"}
        assert (answer["query"], answer["degraded"]) == ("soup with garlic", False)
        other = self.ask(worker, "soup with garlic", category="horror", limit=5).json()
        assert {item["metadata"]["theme"] for item in other["items"]} == {"horror"}
        assert ids(self.ask(worker, "rocket", limit=4)) == (
            ids(self.ask(worker, "rocket", limit=2)) + ids(self.ask(worker, "rocket", limit=2, offset=2))
        )

    def test_part_of_a_word_is_enough_for_the_meaning(self, worker: TestClient) -> None:
        (found,) = self.ask(worker, "astronautics", limit=1).json()["items"]
        assert (found["source"], found["metadata"]["theme"]) == ("meaning", "space")

    def test_in_whose_eyes(self, worker: TestClient) -> None:
        plain, seen = ids(self.ask(worker, "x", limit=10)), ids(self.ask(worker, "x", limit=10, user_id="u1"))
        assert plain != seen
        assert ids(self.ask(worker, "x", limit=10, user_id="nobody")) == plain

    @pytest.mark.parametrize(
        ("query", "field"),
        [("", "query.q"), ("q=", "query.q"), ("q=%20", "query.q"), ("q=a&limit=0", "query.limit"),
         ("q=a&offset=x", "query.offset"), ("q=a&user_id=", "query.user_id"), (f"q={'x' * 1001}", "query.q")],
    )  # fmt: skip
    def test_bad_queries_are_named(self, worker: TestClient, query: str, field: str) -> None:
        answer = worker.get(f"/v1/search?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field

    def test_by_picture(self, worker: TestClient) -> None:
        """Of the bundle's colours: those that look alike are of one theme."""
        for row in (0, 1, 2, 3):
            data = senses.picture(senses.THEMES[senses.theme(row)][1], 50 + row)
            answer = worker.post("/v1/search/image?limit=5", files={"image": ("x.png", data)})
            assert {item["metadata"]["theme"] for item in answer.json()["items"]} == {senses.theme(row)}
            assert {item["source"] for item in answer.json()["items"]} == {"picture"}
            uri = worker.post("/v1/search/image?limit=5", json={"image": senses.data_uri(data)})
            assert ids(uri) == ids(answer)
        for body in ({}, {"image": None}, {"image": "x"}, {"image": "https://x/y"}, {"picture": "x"}):
            assert worker.post("/v1/search/image", json=body).status_code == 422

    def test_a_word_that_only_a_new_item_has_finds_it(self, worker: TestClient) -> None:
        worker.post("/v1/items", json=body_of(senses.item(48), text="A xylophone."))
        assert ids(self.ask(worker, "Xylophone!", limit=1)) == ["i48"]
        worker.patch("/v1/items/i48", json={"text": "A vibraphone."})
        assert self.ask(worker, "xylophone", limit=1).json()["fallback_reason"] == "no_search_matches"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[TestClient]:
    """A worker whose bundle has no content vectors, though it has encoders."""
    with Shop(senses.make_sensing_bundle(tmp_path, with_content=False)).worker() as client:
        yield client


def test_without_content_vectors_the_words_decide_and_the_answer_says_so(bare: TestClient) -> None:
    answer = bare.get("/v1/search", params={"q": "rocket"}).json()
    assert (answer["degraded"], answer["degraded_reason"]) == (True, ["text_encoder"])
    assert {item["source"] for item in answer["items"]} == {"words"}
    picture = bare.post("/v1/search/image", files={"image": ("x.png", senses.picture((1, 2, 3)))})
    assert (picture.status_code, picture.headers["content-type"]) == (501, "application/problem+json")
    assert bare.post("/v1/items", json=body_of(senses.item(48))).status_code == 201
    assert "i48" in ids(bare.get("/v1/users/u0/recommendations", params={"limit": 20}))
