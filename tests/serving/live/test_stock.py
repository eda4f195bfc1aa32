"""Following the store: whatever the order of events and outages, workers end with what the store has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from catalog.errors import StoreError
from catalog.memory import MemoryLiveStore
from catalog.store import StoredItem
from serving.live import stock
from tests.bundle import senses
from tests.patience import PATIENCE, eventually
from tests.serving.sensing import Shop, body_of, ids


def shown(client: TestClient, item: str) -> Any:
    """What a worker's answers show of an item."""
    listed = client.post("/v1/rank", json={"user_id": "u0", "candidates": [item]}).json()["items"]
    return listed[0]["metadata"]


def test_of_many_versions_by_two_workers_all_end_with_the_stores(shop: Shop) -> None:
    with shop.worker() as one, shop.worker() as other, ThreadPoolExecutor(4) as pool:
        one.post("/v1/items", json=body_of(senses.item(48)))

        def write(number: int) -> None:
            client = (one, other)[number % 2]
            body = {"title": f"version {number}", "features": {"year": number}}
            assert client.put("/v1/items/i48", json=body).status_code in (200, 201)

        list(pool.map(write, range(24)))
        stored = one.get("/v1/items/i48").json()["title"]
        for client in (one, other):
            eventually(lambda c=client: shown(c, "i48").get("title") == stored)  # type: ignore[misc]
            assert len(ids(client.get("/v1/items/i48/similar"))) == 10


def test_what_was_written_during_an_outage_is_told_after_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "RETRY_SECONDS", 0.05)
    watch, broken = MemoryLiveStore.watch_items, True

    async def unsteady(self: MemoryLiveStore, since: float) -> AsyncIterator[list[StoredItem]]:
        async for batch in watch(self, since):
            if broken:
                raise StoreError("the connection to MongoDB was lost; try again")
            yield batch

    monkeypatch.setattr(MemoryLiveStore, "watch_items", unsteady)
    with shop.worker() as client:
        shop.records.put_items([senses.item(48)])
        assert "i48" not in ids(client.get("/v1/search?q=q48"))
        broken = False
        eventually(lambda: "i48" in ids(client.get("/v1/search?q=q48")))
        assert "i48" in ids(client.get("/v1/items/i0/similar", params={"limit": 20}))


def test_an_item_that_cannot_be_read_holds_up_no_other(shop: Shop) -> None:
    """One whose picture lies on another machine is known by the rest of it."""
    with shop.worker() as client:
        far = senses.item(49)
        shop.records.put_items([
            type(far)(far.item_id, far.title, far.text, "/no/such/picture.jpg", far.features), senses.item(50)
        ])  # fmt: skip
        eventually(lambda: {"i49", "i50"} <= set(ids(client.get("/v1/search?q=q49 q50&limit=500"))))
        assert ids(client.get("/v1/items/i49/similar?w_image=1")) == []
        assert len(ids(client.get("/v1/items/i49/similar?w_text=1"))) == 10


def test_catching_up_is_no_lag_and_a_write_is(shop: Shop) -> None:
    shop.records.put_items([senses.item(48)])
    with shop.worker() as client:
        assert "i48" in ids(client.get("/v1/search?q=q48"))
        assert "freshness_lag_seconds" not in client.get("/metrics").text
        shop.records.put_items([senses.item(49)])
        eventually(lambda: "i49" in ids(client.get("/v1/search?q=q49")))
        told = client.get("/metrics").text.split("\ntowerbridge_freshness_lag_seconds ")[1]
        assert 0 <= float(told.split()[0]) < PATIENCE
