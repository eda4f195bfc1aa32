"""A service that reads and looks, on a store in memory; more than one may share the store, as workers do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from catalog.memory import MemoryStore
from catalog.records import Interaction, Item, ItemId, UserId
from embeddings.content import image_bytes
from embeddings.store import MemoryEmbeddingStore
from serving.app import create_app
from serving.settings import Settings
from tests.bundle import senses
from tests.patience import eventually


class Shop:
    """The records and vectors that workers share."""

    def __init__(self, bundle: Path) -> None:
        """All items of the bundle; u0 clicked on four about space, u1 on four about cooking, u2 and u3 on none."""
        self.bundle = bundle
        self.records = MemoryStore()
        self.records.put_items([senses.item(row) for row in range(senses.N)])
        self.vectors = MemoryEmbeddingStore()
        self.records.put_users(senses.USERS)
        self.records.put_interactions([
            Interaction(UserId(f"u{user}"), ItemId(f"i{row}"), "click", 1000.0 + row)
            for user in (0, 1) for row in range(user, 16, 4)
        ])  # fmt: skip

    @contextmanager
    def worker(self, **settings: Any) -> Iterator[TestClient]:
        """A client, on the same machine, of a worker that has started."""
        app = create_app(
            Settings(bundle=self.bundle, user_seconds=0, **settings),
            store=self.records.live(), embeddings=self.vectors,
        )  # fmt: skip
        local = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 50_000)}
        with TestClient(app, raise_server_exceptions=False, **local) as client:  # type: ignore[arg-type]
            eventually(lambda: client.get("/health/ready").status_code == 200)
            yield client


def body_of(item: Item, **changes: Any) -> dict[str, Any]:
    """An item as it is posted."""
    features = {
        name: list(value) if isinstance(value, tuple) else value for name, value in item.features.items()
    }
    return {
        "item_id": item.item_id, "title": item.title, "text": item.text, "image": item.image,
        "features": features, "available": item.available, **changes,
    }  # fmt: skip


def data_of(client: TestClient, item_id: str) -> bytes:
    """The picture of an item as its record keeps it."""
    store = client.app.state.service.store  # type: ignore[attr-defined]
    assert client.portal is not None
    stored = client.portal.call(store.item, item_id)
    return image_bytes(stored.item.image)


def ids(answer: Any) -> list[str]:
    """The ids of a list, best first."""
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


@pytest.fixture(scope="session")
def sensing_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return senses.make_sensing_bundle(tmp_path_factory.mktemp("sensing"))


@pytest.fixture
def shop(sensing_bundle: Path) -> Shop:
    return Shop(sensing_bundle)


@pytest.fixture
def worker(shop: Shop) -> Iterator[TestClient]:
    with shop.worker() as client:
        yield client
