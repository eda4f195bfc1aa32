"""One tiny bundle, a store in memory, and clients of the real app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bundle.reader import Bundle
from catalog.memory import MemoryStore
from catalog.records import Interaction, ItemId, UserId
from catalog.store import LiveStore
from serving.app import create_app
from serving.settings import Settings
from tests.bundle.make import USERS, item_id, items, make_bundle
from tests.patience import eventually
from tests.serving.sensing import sensing_bundle, shop, worker

__all__ = ["sensing_bundle", "shop", "worker"]


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    return Bundle.open(bundle_path)


@pytest.fixture(scope="session")
def rich_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same with all that a bundle may go without for its candidate sources."""
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("rich"), proposals=True))


def event(user: str, row: int, at: float, kind: str = "rating", value: float | None = 5.0) -> Interaction:
    return Interaction(UserId(user), ItemId(item_id(row)), kind, at, value if kind == "rating" else None)


@pytest.fixture
def store() -> MemoryStore:
    """u1 rated four green items (rows 1, 5, 9, 13) at 1,000 … 4,000; u0 did nothing."""
    store = MemoryStore()
    store.put_items(items())
    store.put_users(USERS)
    store.put_interactions([event("u1", row, 1000.0 * (i + 1)) for i, row in enumerate((1, 5, 9, 13))])
    return store


@contextmanager
def client_of(settings: Settings, store: LiveStore | None) -> Iterator[TestClient]:
    """A client of a started app whose model has been opened."""
    app = create_app(settings, store=store)
    with TestClient(app, raise_server_exceptions=False) as client:
        eventually(lambda: opened(client))
        yield client


def opened(client: TestClient) -> bool:
    """Whether there is a model, or a reason why there is none."""
    answer = client.get("/health/ready")
    return answer.status_code == 200 or "being opened" not in answer.json()["detail"]


@pytest.fixture
def client(bundle_path: Path, store: MemoryStore) -> Iterator[TestClient]:
    with client_of(Settings(bundle=bundle_path, user_seconds=0), store.live()) as client:
        yield client
