"""Models that give way to others while they are held, and writers that come faster than they can be served."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving import online as serving_online
from serving.online import Online
from serving.routes import items
from serving.service import Service
from tests.bundle import senses
from tests.patience import PATIENCE, eventually
from tests.serving.sensing import Shop, body_of
from tests.serving.test_swap import B, C, home, service_of, serving, shop, three

__all__ = ["home", "shop", "three"]


def online_of(client: TestClient) -> Online:
    online = service_of(client).online
    assert online is not None
    return online


def works(client: TestClient, online: Online) -> bool:
    """Whether its threads still take work."""

    async def ask() -> bool:
        try:
            return await online.model.senses.beside(lambda: True)
        except (RuntimeError, asyncio.CancelledError):  # they have ended, or end before they come to it
            return False

    assert client.portal is not None
    return client.portal.call(ask)


def test_a_model_outlives_the_requests_that_began_with_the_one_before_it(
    home: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a request may have come to hold it, after it had read a body or a history, and is not counted for it."""
    monkeypatch.setattr(serving_online, "DRAIN_SECONDS", 10 * PATIENCE)  # two models are opened meanwhile
    with serving(home, shop) as client:
        first = online_of(client)
        first.requests += 1
        assert client.post(f"/v1/models/{B}/promote").status_code == 200
        second = online_of(client)
        assert client.post(f"/v1/models/{C}/promote").status_code == 200
        third = online_of(client)
        assert len({id(one) for one in (first, second, third)}) == 3
        assert len(service_of(client).succession._retiring) == 2
        assert works(client, first)
        assert works(client, second)
        first.requests -= 1
        eventually(lambda: not works(client, first) and not works(client, second))
        assert works(client, third)


def test_items_that_come_faster_than_they_are_read_are_put_off(
    worker: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MOST_WAITING", 2)
    service: Service = worker.app.state.service  # type: ignore[attr-defined]
    portal, go = worker.portal, threading.Event()
    assert portal is not None

    async def occupy() -> list[asyncio.Task[Any]]:
        return [asyncio.create_task(service.model.senses.in_turn(go.wait)) for _ in range(2)]

    try:
        portal.call(occupy)
        eventually(lambda: service.model.senses.waiting == 2)
        for answer in (
            worker.post("/v1/items", json=body_of(senses.item(48))), worker.put("/v1/items/i1", json={}),
            worker.patch("/v1/items/i1", json={"available": False}),
        ):  # fmt: skip
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert "fewer than 2 items" in answer.json()["detail"]
        # Nothing else waits for them.
        assert worker.get("/v1/users/u0/recommendations").status_code == 200
    finally:
        go.set()
    eventually(lambda: service.model.senses.waiting == 0)
    assert worker.post("/v1/items", json=body_of(senses.item(48))).status_code == 201
