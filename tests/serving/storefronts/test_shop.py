"""What clients of the shop call today, answered as its description says; written by hand from it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from catalog.errors import StoreError
from catalog.records import Interaction, ItemId, UserId
from catalog.schema import DatasetSchema
from serving.storefronts.blend import blend
from serving.storefronts.shop_events import click_type, search_type
from tests.bundle import senses
from tests.serving.storefronts.conftest import BARE, ELSEWHERE, asin
from tests.serving.storefronts.test_contracts import is_problem

DAY = 86_400
PATH = "/api/v1/interactions/interactions"


def happened(client: TestClient, *events: Interaction) -> None:
    """Events of any time, as an import would bring them."""
    store = client.app.state.service.store  # type: ignore[attr-defined]
    assert client.portal is not None
    client.portal.call(store.append, list(events))


def click(row: int, ago: float = 0.0, user: str = "ann") -> Interaction:
    return Interaction(UserId(user), ItemId(asin(row)), "click", time.time() - ago)


def searched(words: str, ago: float = 0.0, user: str = "ann") -> Interaction:
    return Interaction(UserId(user), ItemId(""), "search", time.time() - ago, query=words)


def home(client: TestClient, user: str = "ann", **query: Any) -> dict[str, Any]:
    answer = client.get("/recommendations/home", params={"user_id": user, **query})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def rows(products: list[dict[str, Any]]) -> list[int]:
    return [int(product["id"][1:]) for product in products]


def themes(products: list[dict[str, Any]]) -> list[str]:
    return [senses.theme(row) for row in rows(products)]


class TestProducts:
    def test_the_exact_shape(self, counter: TestClient) -> None:
        products = home(counter, response_limit=60)["best_value"]
        assert products[3] == {
            "id": "B000000003", "name": senses.item(3).title, "category": "football > part 0",
            "image": "/v1/items/B000000003/image", "price": 103.5, "original_price": 200.0, "rating": 3.75,
            "reviews": 103, "discount_ratio": 0.4825,
        }  # fmt: skip
        assert type(products[3]["reviews"]) is int

    def test_what_is_not_known_is_null(self, counter: TestClient) -> None:
        similar = counter.get(f"/recommendations/product/{asin(0)}?response_limit=60").json()["similar"]
        bare = next(product for product in similar if product["id"] == asin(BARE))
        assert bare == {
            "id": asin(BARE), "name": senses.item(BARE).title, "category": "",
            "image": f"/v1/items/{asin(BARE)}/image", "price": None, "original_price": None, "rating": None,
            "reviews": None, "discount_ratio": None,
        }  # fmt: skip
        elsewhere = next(product for product in similar if product["id"] == asin(ELSEWHERE))
        assert elsewhere["image"] == "https://cdn.example/41.jpg"


class TestHome:
    def test_a_new_user(self, counter: TestClient) -> None:
        body = home(counter, response_limit=4)
        assert list(body) == ["personalized", "trending", "best_value", "top_categories", "diverse_picks"]
        assert body["personalized"] == []
        assert rows(body["trending"]) == [47, 45, 44, 43]  # 46 is not to be had
        assert rows(body["best_value"]) == [0, 1, 2, 3]
        assert len(set(rows(body["diverse_picks"]))) == 4
        # Popularity falls with the row; `other` has all but the bare one, which `space` lacks as well.
        assert list(body["top_categories"]) == ["other", "cooking", "horror", "football", "space"]
        assert rows(body["top_categories"]["other"]) == [0, 1, 2, 3]
        assert rows(body["top_categories"]["horror"]) == [2, 6, 10, 14]

    def test_twenty_by_default_and_whatever_is_asked_is_clamped(self, counter: TestClient) -> None:
        counts = [
            len(home(counter, **query)["top_categories"]["other"])
            for query in (
                {},
                {"response_limit": 0},
                {"response_limit": -(10**30)},
                {"response_limit": 10**30},
            )
        ]
        assert counts == [20, 1, 1, senses.N - 2]
        happened(counter, click(0))
        assert len(home(counter, response_limit=999)["personalized"]) == senses.N - 2

    def test_shares_of_clicks_searches_and_something_else(self, counter: TestClient) -> None:
        """Clicked: space. Searched: garlic soup. Of ten five, four and one, from the first place on."""
        happened(counter, *(click(row) for row in (0, 4, 8)), searched("garlic soup"))
        products = home(counter, response_limit=10)["personalized"]
        assert len(set(rows(products))) == 10
        assert not {0, 4, 8} & set(rows(products))
        of_theme = themes(products)
        assert of_theme.count("space") >= 5
        assert of_theme.count("cooking") >= 4
        assert set(of_theme[:2]) == {"space", "cooking"}
        native = counter.get("/v1/users/ann/recommendations", params={"limit": 1}).json()["items"][0]
        assert products[0]["id"] == native["item_id"]

    def test_somebody_who_only_searched(self, counter: TestClient) -> None:
        happened(counter, searched("ghost"), searched("GHOST"), searched("qwertyzxcv"))
        assert themes(home(counter, response_limit=5)["personalized"]).count("horror") >= 4

    def test_a_search_that_found_nothing_makes_nothing_personal(self, counter: TestClient) -> None:
        happened(counter, searched("qwertyzxcv"))
        assert home(counter)["personalized"] == []

    def test_a_user_is_stale_after_thirty_days(self, counter: TestClient) -> None:
        happened(counter, click(0, 30.1 * DAY), searched("ghost", 31 * DAY))
        assert home(counter)["personalized"] == []
        happened(counter, click(4, 29.9 * DAY, "bob"))
        assert themes(home(counter, "bob", response_limit=4)["personalized"]).count("space") >= 3

    def test_the_last_click_counts_at_once(self, counter: TestClient) -> None:
        assert home(counter)["personalized"] == []
        event = {"user_id": "ann", "event_type": "product_click", "product_id": asin(1)}
        assert counter.post(PATH, json=event).status_code == 200
        products = home(counter, response_limit=4)["personalized"]
        assert asin(1) not in {product["id"] for product in products}
        assert themes(products)[0] == "cooking"

    def test_while_the_database_is_down(self, counter: TestClient) -> None:
        async def down(*_: object) -> None:
            raise StoreError("down")

        live = counter.app.state.service.store._store  # type: ignore[attr-defined]
        for name in ("told", "columns", "user", "recent"):
            setattr(live, name, down)
        body = home(counter, response_limit=3)
        assert (body["personalized"], len(body["trending"])) == ([], 3)

    @pytest.mark.parametrize("user", ["", " ", "a b", "ä", "x" * 51, "a-b", "ann\n", "٣"])
    def test_malformed_users(self, counter: TestClient, user: str) -> None:
        is_problem(counter.get("/recommendations/home", params={"user_id": user}), 400)

    def test_what_is_wrong(self, counter: TestClient) -> None:
        is_problem(counter.get("/recommendations/home"), 422, "query.user_id")
        for limit in ("x", "1.5", ""):
            answer = counter.get("/recommendations/home", params={"user_id": "ann", "response_limit": limit})
            is_problem(answer, 422, "query.response_limit")


class TestProduct:
    def test_what_is_alike(self, counter: TestClient) -> None:
        answer = counter.get(f"/recommendations/product/{asin(2)}", params={"response_limit": 5})
        assert list(answer.json()) == ["similar"]
        similar = answer.json()["similar"]
        assert (len(similar), 2 in rows(similar)) == (5, False)
        assert set(themes(similar)) == {"horror"}
        assert len(counter.get(f"/recommendations/product/{asin(2)}").json()["similar"]) == 20

    @pytest.mark.parametrize(
        "product", ["B00000000", "B0000000000", "b000000002", "B00000000%20", "B000000002%0A", "%D9%A3"]
    )
    def test_malformed_ids(self, counter: TestClient, product: str) -> None:
        is_problem(counter.get(f"/recommendations/product/{product}"), 400)

    def test_unknown_ids(self, counter: TestClient) -> None:
        is_problem(counter.get("/recommendations/product/ZZZZZZZZZZ"), 404)

    def test_the_pages_are_under_v1_as_well(self, counter: TestClient) -> None:
        for path in (f"product/{asin(2)}", "search?query=soup", "home?user_id=ann"):
            answer = counter.get(f"/api/v1/recommendations/{path}")
            assert answer.json() == counter.get(f"/recommendations/{path}").json()

    def test_home_and_search_are_no_products(self, counter: TestClient) -> None:
        for path in ("home", "search"):
            is_problem(counter.get(f"/recommendations/product/{path}"), 400)
        is_problem(counter.get("/recommendations/other"), 404)


class TestSearch:
    def ask(self, client: TestClient, query: str, **more: Any) -> Any:
        return client.get("/recommendations/search", params={"query": query, **more})

    def test_words_and_their_trimming(self, counter: TestClient) -> None:
        answer = self.ask(counter, "  garlic soup ", response_limit=4)
        assert list(answer.json()) == ["results"]
        assert themes(answer.json()["results"]) == ["cooking"] * 4
        assert answer.json() == self.ask(counter, "garlic soup", response_limit=4).json()

    def test_two_thousand_by_default_and_clamped(self, counter: TestClient) -> None:
        everything = self.ask(counter, "other").json()["results"]
        assert len(everything) == senses.N - 1
        assert len(self.ask(counter, "other", response_limit=0).json()["results"]) == 1
        assert self.ask(counter, "other", response_limit=10**9).json()["results"] == everything

    def test_synonyms(self, counter: TestClient) -> None:
        body = self.ask(counter, "soccer", response_limit=3).json()
        assert themes(body["results"]) == ["football"] * 3
        assert "fallback_reason" not in body

    def test_trending_and_why_where_nothing_matches(self, counter: TestClient) -> None:
        body = self.ask(counter, "qwertyzxcv", response_limit=3).json()
        assert body["fallback_reason"] == "no_search_matches"
        assert rows(body["results"]) == [47, 45, 44]

    @pytest.mark.parametrize("query", ["", "   ", "\t\n", "x" * 256])
    def test_malformed_queries(self, counter: TestClient, query: str) -> None:
        is_problem(self.ask(counter, query), 400)

    def test_what_is_wrong(self, counter: TestClient) -> None:
        assert self.ask(counter, f" {'x' * 255} ").status_code == 200
        is_problem(counter.get("/recommendations/search"), 422, "query.query")
        is_problem(self.ask(counter, "x", response_limit="many"), 422, "query.response_limit")


class TestEvents:
    def test_clicks_and_searches_are_read_back_latest_first(self, counter: TestClient) -> None:
        began = time.time()
        for event in (
            {"user_id": "ann", "event_type": "product_click", "product_id": asin(7)},
            {"user_id": "ann", "event_type": "search_query", "query": "  red shoes "},
        ):
            answer = counter.post(PATH, json=event)
            assert (answer.status_code, answer.content) == (200, b"")
        listed = counter.get(f"{PATH}/ann").json()
        times = [one.pop("timestamp") for one in listed]
        assert listed == [
            {"event_type": "search_query", "product_id": None, "query": "red shoes"},
            {"event_type": "product_click", "product_id": asin(7), "query": None},
        ]
        moments = [np.datetime64(moment.removesuffix("Z")).astype("int64") / 1e6 for moment in times]
        assert began <= moments[1] <= moments[0] <= time.time()
        assert counter.get(f"{PATH}/nobody").json() == []

    def test_a_window_of_days(self, counter: TestClient) -> None:
        happened(counter, click(1, 29 * DAY), click(2, 31 * DAY), searched("x", 400 * DAY))
        assert len(counter.get(f"{PATH}/ann").json()) == 1
        assert len(counter.get(f"{PATH}/ann?days=32").json()) == 2
        assert len(counter.get(f"{PATH}/ann?days=500").json()) == 3

    def test_they_are_events_as_any_other(self, counter: TestClient) -> None:
        """Native clients see what the shop's send, and the other way round."""
        counter.post(PATH, json={"user_id": "ann", "event_type": "search_query", "query": "soup"})
        body = [
            {"user_id": "ann", "type": "search", "query": " red  shoes "},
            {"user_id": "ann", "type": "click", "item_id": asin(3)},
        ]
        assert counter.post("/v1/interactions", json=body).json() == {"accepted": 2, "errors": []}
        native = counter.get("/v1/users/ann/interactions").json()["interactions"]
        assert [(one["type"], one["item_id"], one.get("query")) for one in native] == [
            ("click", asin(3), None), ("search", None, "red shoes"), ("search", None, "soup")
        ]  # fmt: skip
        assert [one["event_type"] for one in counter.get(f"{PATH}/ann").json()] == [
            "product_click", "search_query", "search_query"
        ]  # fmt: skip

    def test_native_searches_that_are_none(self, counter: TestClient) -> None:
        body = [
            {"user_id": "ann", "type": "search"}, {"user_id": "ann", "type": "search", "query": " "},
            {"user_id": "ann", "type": "search", "query": "x", "item_id": asin(1)},
            {"user_id": "ann", "type": "click"},
            {"user_id": "ann", "type": "click", "item_id": asin(1), "query": "x"},
        ]  # fmt: skip
        errors = counter.post("/v1/interactions", json=body).json()["errors"]
        assert [one["field"] for one in errors] == ["query", "query", "item_id", "item_id", "query"]

    @pytest.mark.parametrize(
        "change",
        [{"product_id": ...}, {"product_id": None},
         *({"event_type": "search_query", "query": query} for query in (..., None, "", " ", "x" * 256))],
    )  # fmt: skip
    def test_what_is_missing_is_a_400(self, counter: TestClient, change: dict[str, Any]) -> None:
        self.refused(counter, change, 400)

    @pytest.mark.parametrize(
        "change",
        [{"event_type": "buy"}, {"event_type": None}, {"event_type": ...}, {"user_id": ...}, {"user_id": "a b"},
         {"user_id": "ann\n"}, {"user_id": 3}, {"product_id": "b000000001"}, {"product_id": 7}, {"query": 3}],
    )  # fmt: skip
    def test_what_is_no_event_is_a_422(self, counter: TestClient, change: dict[str, Any]) -> None:
        self.refused(counter, change, 422)

    def refused(self, client: TestClient, change: dict[str, Any], status: int) -> None:
        event: dict[str, Any] = {
            "user_id": "ann",
            "event_type": "product_click",
            "product_id": asin(1),
            **change,
        }
        sent = {name: value for name, value in event.items() if value is not ...}
        is_problem(client.post(PATH, json=sent), status)
        assert client.get(f"{PATH}/ann").json() == []

    def test_what_is_no_body_and_no_user(self, counter: TestClient) -> None:
        for content in (b"", b"[]", b"{", b"\xff"):
            is_problem(counter.post(PATH, content=content), 422)
        is_problem(counter.get(f"{PATH}/a-b"), 400)
        for days in ("0", "-1", "x", "nan"):
            is_problem(counter.get(f"{PATH}/ann?days={days}"), 422, "query.days")

    def test_a_data_set_without_clicks_takes_none(self) -> None:
        def schema(**interactions: Any) -> DatasetSchema:
            return DatasetSchema.model_validate({"name": "x", "interactions": interactions})

        rating = {"value": True, "minimum": 1, "maximum": 5}
        assert click_type(schema(rating=rating, hide={"polarity": "negative"})) is None
        assert click_type(schema(like={}, view={})) == "view"
        assert click_type(schema(rating=rating, like={})) == "like"
        assert search_type(schema(like={})) == "search"
        assert search_type(schema(asked={"query": True})) == "asked"


class TestBlend:
    def test_shares_hold_from_the_first_place_on(self) -> None:
        lists = [(np.arange(0, 50), 0.5), (np.arange(100, 150), 0.4), (np.arange(200, 250), 0.1)]
        taken, of = blend(lists, 20)
        assert taken[:2].tolist() == [0, 100]
        assert [int(((taken // 100) == kind).sum()) for kind in range(3)] == [10, 8, 2]
        assert of.tolist() == (taken // 100).tolist()
        assert [int(((taken[:10] // 100) == kind).sum()) for kind in range(3)] == [5, 4, 1]

    @given(
        st.lists(st.tuples(st.lists(st.integers(0, 30), max_size=20), st.floats(0.05, 1)), max_size=4),
        st.integers(0, 40),
    )
    def test_everything_once_and_in_order(
        self, given_lists: list[tuple[list[int], float]], limit: int
    ) -> None:
        lists = [(np.array(each, np.int64), share) for each, share in given_lists]
        taken = blend(lists, limit)[0].tolist()
        everything = {row for each, _ in given_lists for row in each}
        assert len(taken) == len(set(taken)) == min(limit, len(everything))
        assert set(taken) <= everything
