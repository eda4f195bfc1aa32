"""What storefronts do is told like everything else: events and lists are counted, samples kept, failures marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from catalog.errors import StoreError
from catalog.impressions import Impression
from catalog.memory import MemoryStore
from serving.settings import Settings
from tests.serving.conftest import client_of
from tests.serving.observe.test_metrics import told
from tests.serving.storefronts.conftest import asin, wares

PATH = "/api/v1/interactions/interactions"
LISTS = {
    "POST /recommend": {"json": {"user_id": "ann"}},
    "GET /recommendations": {"params": {"user_id": "ann"}},
    "GET /post/recommendations/": {"params": {"id": "ann"}},
    "GET /recommendations/home": {"params": {"user_id": "ann", "response_limit": 10}},
}  # fmt: skip


@pytest.fixture
def counter(wares_bundle: Path) -> Iterator[TestClient]:
    """A client of the shop that keeps every list, not one of ten."""
    store = MemoryStore()
    store.put_items(wares())
    settings = Settings(bundle=wares_bundle, user_seconds=0, impressions=1.0)
    with client_of(settings, store.live()) as client:
        yield client


def kept(client: TestClient) -> list[Impression]:
    impressions = client.app.state.service.impressions  # type: ignore[attr-defined]
    assert client.portal is not None
    client.portal.call(impressions.flush)
    return list(impressions.store.kept)


def clicked(client: TestClient, row: int) -> None:
    event = {"user_id": "ann", "event_type": "product_click", "product_id": asin(row)}
    assert client.post(PATH, json=event).status_code == 200


def ask(client: TestClient, label: str) -> Any:
    method, _, path = label.partition(" ")
    return client.request(method, path, **LISTS[label])  # type: ignore[arg-type]


def test_events_are_counted_whether_taken_or_not(counter: TestClient) -> None:
    clicked(counter, 1)
    for event in ({"event_type": "product_click"}, {"event_type": "search_query", "query": " "}, {}):
        assert counter.post(PATH, json={"user_id": "ann", **event}).status_code in (400, 422)
    found = told(counter)
    assert found["towerbridge_events_total", "accepted"] == 1
    assert found["towerbridge_events_total", "rejected"] == 3


def test_the_second_addresses_have_counts_of_their_own(counter: TestClient) -> None:
    path = "/api/v1/recommendations/product/{product_id}"
    assert counter.get(path.format(product_id=asin(1))).status_code == 200
    assert told(counter)["towerbridge_requests_total", "GET", path, "2xx"] == 1


@pytest.mark.parametrize("label", LISTS)
def test_what_was_recommended_is_kept_with_the_request_that_showed_it(
    counter: TestClient, label: str
) -> None:
    clicked(counter, 0)
    answer = ask(counter, label)
    assert answer.status_code == 200
    (impression,) = kept(counter)
    assert (impression.request_id, impression.user_id) == (answer.headers["x-request-id"], "ann")
    body = answer.json()
    lists = {
        "POST /recommend": lambda: body["recommendations"],
        "GET /recommendations": lambda: [post["post_id"] for post in body["recommendations"]],
        "GET /post/recommendations/": lambda: [post["id"] for post in body],
        "GET /recommendations/home": lambda: [product["id"] for product in body["personalized"]],
    }
    assert list(impression.items) == lists[label]()
    assert told(counter)["towerbridge_impressions_total", "kept"] == 1


def test_a_home_page_tells_which_part_proposed_what(counter: TestClient) -> None:
    """Of ten places nobody's searches leave five and one to clicks and to something else: 5/6 and 1/6 of ten."""
    assert ask(counter, "GET /recommendations/home").status_code == 200
    assert kept(counter) == [], "nothing was personal"
    clicked(counter, 0)
    ask(counter, "GET /recommendations/home")
    (impression,) = kept(counter)
    assert {name: impression.sources.count(name) for name in ("clicks", "searches", "diverse")} == {
        "clicks": 8, "searches": 0, "diverse": 2
    }  # fmt: skip
    assert set(impression.scores) == {None}


@pytest.mark.parametrize("label", [*LISTS, "POST /recommendation/ranked_recommendation"])
def test_answers_without_the_database_are_marked(
    counter: TestClient, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    async def down(*_: object) -> None:
        raise StoreError("down")

    service = counter.app.state.service  # type: ignore[attr-defined]
    for name in ("told", "columns", "user", "recent"):
        monkeypatch.setattr(service.store._store, name, down)
    monkeypatch.setitem(
        LISTS, "POST /recommendation/ranked_recommendation",
        {"json": {"user_id": "ann", "candidate_movies": ["x"]}},
    )  # fmt: skip
    answer = ask(counter, label)
    assert (answer.status_code, answer.headers["x-degraded"]) == (200, "store")
    assert told(counter)["towerbridge_degraded_total", "store"] == 1
