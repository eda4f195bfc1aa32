"""What the service promises over HTTP, on a store in memory."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from catalog.memory import MemoryStore
from serving.settings import Settings
from tests.bundle.make import HIDDEN, HOSTILE, SCHEMA, VERSION, N, item_id, make_bundle
from tests.serving.conftest import client_of

HOSTILE_USERS = [
    "a b", "a/b", "/", "x/recommendations", 'quo"te', "emoji 🎬", "$where", "a?b#c", "a%b", "ü", "null",
    "two\nlines\n",
]  # fmt: skip


def url(user: str, what: str = "recommendations") -> str:
    return f"/v1/users/{quote(user, safe='')}/{what}"


def ids(answer) -> list[str]:  # type: ignore[no-untyped-def]
    return [item["item_id"] for item in answer.json()["items"]]


class TestRecommendations:
    def test_the_whole_answer(self, client: TestClient) -> None:
        answer = client.get(url("u1"), params={"limit": 1, "explain": True})
        body = answer.json()
        assert answer.headers["content-type"] == "application/json"
        assert body.pop("latency_ms") > 0
        assert body.pop("request_id") == answer.headers["x-request-id"]
        item = body["items"][0]
        assert item.pop("score") > 1
        assert body == {
            "user_id": "u1", "model_version": VERSION, "degraded": False,
            "items": [{
                "item_id": "i37", "source": "two_tower", "metadata": {"title": "", "image": False},
                "explanation": {
                    "item_id": "i13", "title": "Film 13, The (2003)", "similarity": 1.0, "shares": None,
                    "history": [
                        {"item_id": name, "title": title, "similarity": 1.0}
                        for name, title in (
                            ("i13", "Film 13, The (2003)"), ("$set", "Film 9, The (1999)"),
                            ("a b", "Film 5, The (1995)"),
                        )
                    ],
                },
            }],
        }  # fmt: skip

    def test_the_very_next_answer_reflects_the_last_event(self, client: TestClient) -> None:
        before = ids(client.get(url("u0")))
        events = [{"user_id": "u0", "item_id": before[0], "type": "rating", "value": 5}]
        assert client.post("/v1/interactions", json=events).json() == {"accepted": 1, "errors": []}
        after = ids(client.get(url("u0")))
        assert before[0] not in after
        axis = int(before[0].removeprefix("i")) % 4
        assert [int(name.removeprefix("i")) % 4 for name in after[:3]] == [axis] * 3

    @pytest.mark.parametrize("user", ["nobody", *HOSTILE_USERS])
    def test_anybody_gets_an_answer(self, client: TestClient, user: str) -> None:
        answer = client.get(url(user), params={"limit": 3})
        assert answer.status_code == 200
        assert (answer.json()["user_id"], len(ids(answer))) == (user, 3)

    @pytest.mark.parametrize("user", HOSTILE_USERS)
    def test_any_user_can_act_and_be_read_back(self, client: TestClient, user: str) -> None:
        for row in HOSTILE:
            event = {"user_id": user, "item_id": item_id(row), "type": "click"}
            assert client.post("/v1/interactions", json=event).status_code == 200
        assert not set(ids(client.get(url(user), params={"limit": 500}))) & set(HOSTILE.values())
        listed = client.get(url(user, "interactions")).json()
        assert {one["item_id"] for one in listed["interactions"]} == set(HOSTILE.values())

    def test_k_larger_than_the_catalogue_gives_what_there_is(self, client: TestClient) -> None:
        assert len(ids(client.get(url("nobody"), params={"limit": 500}))) == N - 1
        assert item_id(HIDDEN) not in ids(client.get(url("nobody"), params={"limit": 500}))

    def test_filters(self, client: TestClient) -> None:
        query = {
            "limit": 500,
            "category": ["green", "night owl/🦉"],
            "exclude": ["i3", "a b", "never heard of"],
        }
        found = ids(client.get(url("nobody"), params=query))
        expected = {item_id(r) for r in range(N) if r % 4 in (1, 3) and r not in (3, 5, 37)}
        assert set(found) == expected
        assert ids(client.get(url("u1"), params={"category": "no such"})) == []

    def test_as_of_a_moment(self, client: TestClient) -> None:
        """u1's events are at 1,000 … 4,000: strictly before 2,000 there is only the first."""
        then = ids(client.get(url("u1"), params={"limit": 500, "time": 2000}))
        assert {"a b", "$set", "i13"} <= set(then)
        assert "i1" not in then
        assert then == ids(client.get(url("u1"), params={"limit": 500, "time": "1970-01-01T00:33:20Z"}))
        assert then == ids(client.get(url("u1"), params={"limit": 500, "time": "1970-01-01T01:33:20+01:00"}))
        assert "i1" in ids(client.get(url("u1"), params={"limit": 500, "time": "1000"}))

    def test_diversity_and_paging(self, client: TestClient) -> None:
        mixed = client.get(url("u1"), params={"limit": 4, "diversity": 1})
        assert len({int(name[1:]) % 4 for name in ids(mixed)}) == 4
        second = ids(client.get(url("u1"), params={"limit": 2, "offset": 2}))
        assert second == ids(client.get(url("u1"), params={"limit": 4}))[2:]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("limit=0", "query.limit"), ("limit=501", "query.limit"), ("limit=x", "query.limit"),
            ("offset=-1", "query.offset"), ("diversity=1.1", "query.diversity"), ("diversity=nan", "query.diversity"),
            ("time=yesterday", "query.time"), ("time=1700000000000", "query.time"), ("time=nan", "query.time"),
            ("explain=maybe", "query.explain"), ("exclude=", "query.exclude.0"),
        ],
    )  # fmt: skip
    def test_bad_parameters_are_named(self, client: TestClient, query: str, field: str) -> None:
        answer = client.get(f"/v1/users/u1/recommendations?{query}")
        body = answer.json()
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert body["errors"][0]["field"] == field
        assert str(body["errors"][0]["found"]) == query.partition("=")[2]
        assert (body["status"], body["title"]) == (422, "Unprocessable Entity")
        assert body["instance"] == "/v1/users/u1/recommendations"

    @pytest.mark.parametrize("user", ["", "%00", "x" * 1025])
    def test_users_that_nobody_can_be(self, client: TestClient, user: str) -> None:
        answer = client.get(f"/v1/users/{user}/recommendations")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "path.user_id"

    def test_a_category_where_none_is_declared(self, tmp_path: Path, store: MemoryStore) -> None:
        schema = SCHEMA.model_copy(update={"category": None})
        with client_of(Settings(bundle=make_bundle(tmp_path, schema=schema)), store.live()) as client:
            answer = client.get(url("u1"), params={"category": "green"})
            assert answer.status_code == 422
            assert "declares none" in answer.json()["detail"]


class TestRank:
    def rank(self, client: TestClient, candidates: object, **more: object):  # type: ignore[no-untyped-def]
        return client.post("/v1/rank", json={"user_id": "u1", "candidates": candidates, **more})

    def test_known_ones_in_order_and_unknown_ones_last_and_marked(self, client: TestClient) -> None:
        candidates = ["zzz", "i2", {"item_id": "i37", "price": 3}, "i2", "a/b"]
        answer = self.rank(client, candidates, context={"page": "home"})
        assert ids(answer) == ["i37", "a/b", "i2", "zzz"]
        items = answer.json()["items"]
        assert [item.get("unknown", False) for item in items] == [False, False, False, True]
        assert items[-1]["score"] is None
        assert items[0]["rating"] > items[1]["rating"]

    def test_nothing_to_rank(self, client: TestClient) -> None:
        assert self.rank(client, []).json()["items"] == []
        assert ids(self.rank(client, ["no", "such"])) == ["no", "such"]

    def test_numbers_are_ids_too(self, client: TestClient) -> None:
        assert ids(client.post("/v1/rank", json={"user_id": 17, "candidates": [5, {"item_id": 6}]})) == [
            "5",
            "6",
        ]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"candidates": ["i1"]}, "body.user_id"),
            ({"user_id": None, "candidates": ["i1"]}, "body.user_id"),
            ({"user_id": "", "candidates": ["i1"]}, "body.user_id"),
            ({"user_id": "u1"}, "body.candidates"),
            ({"user_id": "u1", "candidates": None}, "body.candidates"),
            ({"user_id": "u1", "candidates": [None]}, "body.candidates.0"),
            ({"user_id": "u1", "candidates": [{"id": "x"}]}, "body.candidates.0"),
            ({"user_id": "u1", "candidates": ["x"] * 501}, "body.candidates"),
            ({"user_id": "u1", "candidates": [], "contxt": {}}, "body.contxt"),
        ],
    )
    def test_bad_bodies_are_named(self, client: TestClient, body: object, field: str) -> None:
        answer = client.post("/v1/rank", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith(field)

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b"null", b"\xff", b'{"user_id": "\\ud800", "candidates": []}']
    )
    def test_bodies_that_are_no_requests(self, client: TestClient, content: bytes) -> None:
        answer = client.post("/v1/rank", content=content, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


class TestMovies:
    def ask(self, client: TestClient, titles: list[str], user: object = "17"):  # type: ignore[no-untyped-def]
        return client.post(
            "/recommendation/ranked_recommendation", json={"user_id": user, "candidate_movies": titles}
        )

    def test_sorted_by_predicted_rating(self, client: TestClient) -> None:
        answer = self.ask(client, ["Film 2 (1992)", "Film 33, The (2023)", "Film 4 (1994)"], "u1")
        body = answer.json()
        assert body["code"] == 200
        assert [one["movie_title"] for one in body["response"]] == [
            "Film 33, The (2023)", "Film 4 (1994)", "Film 2 (1992)"
        ]  # fmt: skip
        ratings = [one["predicted_rating"] for one in body["response"]]
        assert ratings == sorted(ratings, reverse=True)
        assert ratings == [one["score"] for one in body["response"]]
        assert all(1 <= rating <= 5 for rating in ratings)

    def test_titles_are_found_in_other_spellings_and_echoed_as_they_came(self, client: TestClient) -> None:
        titles = ["the film 33 (2023)", "FILM 33, THE (2023)", "  film   2 (1992)", "Not there (1999)", ""]
        body = self.ask(client, titles).json()
        assert [one["movie_title"] for one in body["response"]] == titles
        assert [one.get("unknown", False) for one in body["response"]] == [False] * 3 + [True] * 2
        assert body["response"][0]["score"] == body["response"][1]["score"] > body["response"][2]["score"]
        assert body["response"][3]["score"] is None

    def test_titles_that_are_no_text(self, client: TestClient) -> None:
        """Half of a surrogate pair is JSON to some writers, and no text that an answer could hold."""
        body = b'{"user_id": "17", "candidate_movies": ["\\ud800"]}'
        answer = client.post("/recommendation/ranked_recommendation", content=body)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")

    def test_no_titles(self, client: TestClient) -> None:
        assert self.ask(client, []).json()["response"] == []
        assert self.ask(client, ["Film 2 (1992)"], 17).status_code == 200
        assert client.post("/recommendation/ranked_recommendation", json={"user_id": "17"}).status_code == 422


class TestInteractions:
    def test_rows_are_taken_or_refused_one_by_one(self, client: TestClient) -> None:
        good = {
            "user_id": "n",
            "item_id": "i1",
            "type": "rating",
            "value": 4,
            "timestamp": "2020-01-01T00:00:00Z",
        }
        rows = [
            good, {**good, "type": "buy"}, {**good, "value": 6}, {**good, "value": None}, {**good, "value": "NaN"},
            {**good, "type": "click"}, {**good, "user_id": ""}, {**good, "item_id": None}, {**good, "timestamp": -1},
            {**good, "timestamp": 1.7e12}, {**good, "colour": 1}, 3, None, {**good, "item_id": "not yet there"},
            {**good, "item_id": "nul\0"},
        ]  # fmt: skip
        body = client.post("/v1/interactions", json=rows).json()
        assert body["accepted"] == 2
        assert {(one["index"], one["field"]) for one in body["errors"]} == {
            (1, "type"), (2, "value"), (3, "value"), (4, "value"), (5, "value"), (6, "user_id"), (7, "item_id"),
            (8, "timestamp"), (9, "timestamp"), (10, "colour"), (11, ""), (12, ""), (14, "item_id"),
        }  # fmt: skip
        assert body["errors"][1]["message"] == "expected a number from 1 to 5 with rating; found 6.0"
        assert "milliseconds" in body["errors"][8]["message"]

    def test_an_event_sent_again_changes_nothing(self, client: TestClient) -> None:
        keyed = {"user_id": "n", "item_id": "i1", "type": "click", "event_id": "e1"}
        dated = {"user_id": "n", "item_id": "i2", "type": "click", "timestamp": 5, "request_id": "r1"}
        for _ in range(3):
            assert client.post("/v1/interactions", json=[keyed, dated]).json()["accepted"] == 2
        listed = client.get(url("n", "interactions")).json()["interactions"]
        assert [one["item_id"] for one in listed] == ["i1", "i2"]
        assert listed[1] == {
            "item_id": "i2", "type": "click", "value": None, "timestamp": "1970-01-01T00:00:05Z", "request_id": "r1"
        }  # fmt: skip

    def test_a_single_bad_event_is_refused(self, client: TestClient) -> None:
        answer = client.post("/v1/interactions", json={"user_id": "n", "item_id": "i1", "type": "buy"})
        body = answer.json()
        assert (answer.status_code, body["accepted"]) == (422, 0)
        assert body["detail"] == "type: expected one of rating, click, dismiss; found 'buy'"

    @pytest.mark.parametrize("content", [b"", b"{", b"[NaN]", b"\xff"])
    def test_what_is_no_json(self, client: TestClient, content: bytes) -> None:
        answer = client.post("/v1/interactions", content=content)
        assert answer.status_code == 422
        assert "expected an event or an array of events as JSON" in answer.json()["detail"]

    def test_batches_are_bounded(self, client: TestClient) -> None:
        row = {"user_id": "n", "item_id": "i1", "type": "click"}
        assert client.post("/v1/interactions", json=[]).json() == {"accepted": 0, "errors": []}
        assert client.post("/v1/interactions", json=[row] * 1000).json()["accepted"] == 1000
        assert client.post("/v1/interactions", json=[row] * 1001).status_code == 422

    def test_bodies_are_bounded(self, bundle_path: Path, store: MemoryStore) -> None:
        with client_of(Settings(bundle=bundle_path, max_body_bytes=2000), store.live()) as client:
            for path in ("/v1/interactions", "/v1/rank"):
                declared = client.post(path, content=b"[" + b" " * 3000 + b"]")
                streamed = client.post(path, content=(b" " * 500 for _ in range(6)))
                assert (declared.status_code, streamed.status_code) == (413, 413)
                assert "at most 2000 bytes" in streamed.json()["detail"]

    def test_history_is_bounded_by_days_and_limit(self, client: TestClient) -> None:
        now = time.time()
        rows = [
            {"user_id": "d", "item_id": f"i{n}", "type": "click", "timestamp": now - n * 86_400}
            for n in range(5)
        ]
        client.post("/v1/interactions", json=rows)

        def listed(**query: object) -> list[str]:
            answer = client.get(url("d", "interactions"), params=query)  # type: ignore[arg-type]
            return [one["item_id"] for one in answer.json()["interactions"]]

        assert listed() == ["i0", "i1", "i2", "i3", "i4"]
        assert listed(days=2.5) == ["i0", "i1", "i2"]
        assert listed(limit=1) == ["i0"]
        assert client.get(url("d", "interactions"), params={"days": 0}).status_code == 422
        assert client.get(url("nobody", "interactions")).json() == {"user_id": "nobody", "interactions": []}


class TestProblems:
    def test_what_is_not_there(self, client: TestClient) -> None:
        for path in (
            "/nope",
            "/v1/users/u9",
            "/v1/items/i99",
            "/v1/users/u1/recommendations/",
        ):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
            assert answer.json()["instance"] == path

    def test_a_wrong_method_names_the_right_one(self, client: TestClient) -> None:
        answer = client.get("/v1/rank")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert answer.json()["detail"] == "expected POST at /v1/rank, found GET"

    def test_the_callers_request_id_is_kept_where_it_is_plain(self, client: TestClient) -> None:
        for given, kept in (("abc-1.2:3", True), ("a b", False), ("x" * 65, False)):
            for path in (url("u1"), "/nope"):
                answer = client.get(path, headers={"x-request-id": given})
                assert (answer.json()["request_id"] == given) is kept
                assert answer.headers["x-request-id"] == answer.json()["request_id"]

    def test_what_should_not_happen_is_a_problem_too(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service = client.app.state.service  # type: ignore[attr-defined]
        monkeypatch.setattr(service.model, "pipeline", None)
        answer = client.get(url("u1"))
        assert (answer.status_code, answer.json()["title"]) == (500, "Internal Server Error")
        assert "NoneType" not in answer.text


class TestOperations:
    def test_health(self, client: TestClient) -> None:
        assert client.get("/health").json() == {"status": "healthy"}
        assert client.get("/health/live").json() == {"status": "alive"}
        assert client.get("/health/ready").json() == {
            "status": "ready",
            "model_version": VERSION,
            "store": "up",
        }

    def test_before_there_is_a_model_everything_says_why(self, tmp_path: Path, store: MemoryStore) -> None:
        with client_of(Settings(home=tmp_path, dataset="tiny"), store.live()) as client:
            for path in ("/health/ready", "/health", url("u1")):
                answer = client.get(path)
                assert answer.status_code == 503
                assert "towerbridge build" in answer.json()["detail"]
                assert int(answer.headers["retry-after"]) >= 1
            assert client.get("/health/live").status_code == 200

    def test_a_bundle_that_drifts_never_answers(self, tmp_path: Path, store: MemoryStore) -> None:
        from tests.bundle.make import ranker

        path = make_bundle(tmp_path, ranker_graph=ranker(poison=0.5))
        with client_of(Settings(bundle=path), store.live()) as client:
            assert "off by" in client.get("/health/ready").json()["detail"]

    def test_openapi_tells_the_truth(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        text = json.dumps(document)
        assert "HTTPValidationError" not in text
        schemas = document["components"]["schemas"]
        for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
            assert reference in schemas
        get = document["paths"]["/v1/users/{user_id}/recommendations"]["get"]
        assert get["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("RankedList")
        assert list(get["responses"]["422"]["content"]) == ["application/problem+json"]
        assert set(document["paths"]) >= {
            "/v1/users/{user_id}/recommendations", "/v1/rank", "/recommendation/ranked_recommendation",
            "/v1/interactions", "/v1/users/{user_id}/interactions", "/health", "/health/live", "/health/ready",
            "/v1/items", "/v1/items/{item_id}", "/v1/items/{item_id}/similar", "/v1/search", "/v1/search/image",
            "/v1/users", "/v1/users/{user_id}", "/post/recommendations/", "/recommendations", "/recommend",
            "/recommendations/home", "/recommendations/product/{product_id}", "/recommendations/search",
            "/api/v1/interactions/interactions", "/api/v1/interactions/interactions/{user_id}",
        }  # fmt: skip
        assert client.get("/docs").status_code == 200

    def test_answers_are_what_their_models_say(self, client: TestClient) -> None:
        from serving.http.answers import Events, RankedList, RankedMovies
        from serving.http.problems import Problem

        RankedList.model_validate_json(client.get(url("u1"), params={"explain": True}).content, strict=True)
        ranked = client.post("/v1/rank", json={"user_id": "u1", "candidates": ["i1", "zz"]})
        RankedList.model_validate_json(ranked.content)
        movies = {"user_id": "1", "candidate_movies": ["Film 2 (1992)", "?"]}
        RankedMovies.model_validate_json(
            client.post("/recommendation/ranked_recommendation", json=movies).content
        )
        Events.model_validate_json(client.get(url("u1", "interactions")).content)
        Problem.model_validate_json(client.get(url("u1"), params={"limit": 0}).content)
