"""Who may look after the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from catalog.memory import MemoryStore
from serving.app import create_app
from serving.settings import Settings
from tests.patience import eventually


@contextmanager
def client_from(
    bundle: Path, peer: str = "127.0.0.1", host: str = "127.0.0.1:8000", key: str | None = None
) -> Iterator[TestClient]:
    app = create_app(Settings(bundle=bundle, admin_key=key), store=MemoryStore().live())
    with TestClient(app, base_url=f"http://{host}", client=(peer, 50_000)) as client:
        yield client


@pytest.mark.parametrize(
    ("peer", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8000", 200), ("127.0.0.1", "localhost", 200), ("::1", "[::1]:8000", 200),
        ("::ffff:127.0.0.1", "127.0.0.1", 200), ("10.0.0.7", "127.0.0.1", 403), ("testclient", "localhost", 403),
        ("127.0.0.1", "shop.example", 403), ("127.0.0.1", "127.0.0.1.example", 403),
    ],
)  # fmt: skip
def test_without_a_key_this_machine_is_answered(bundle_path: Path, peer: str, host: str, status: int) -> None:
    with client_from(bundle_path, peer, host) as client:
        answer = client.get("/v1/models")
        assert answer.status_code == status
        if status == 403:
            assert answer.headers["content-type"] == "application/problem+json"
            assert "TOWERBRIDGE_ADMIN_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"}, {"Origin": "https://evil.example"}, {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"}, {"X-Admin-Key": "guess", "X-Forwarded-For": "127.0.0.1"},
    ],
)  # fmt: skip
def test_without_a_key_neither_proxies_nor_other_sites_pages_are(
    bundle_path: Path, headers: dict[str, str]
) -> None:
    with client_from(bundle_path) as client:
        assert client.post("/v1/models/rollback", headers=headers).status_code == 403
        own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
        assert client.get("/v1/models", headers=own).status_code == 200


def test_with_a_key_it_alone_counts(bundle_path: Path) -> None:
    with client_from(bundle_path, "10.0.0.7", "shop.example", key="schlüssel") as client:
        right = {"X-Admin-Key": "schlüssel".encode(), "X-Forwarded-For": b"10.9.9.9"}
        assert client.get("/v1/models", headers=right).status_code == 200
        for wrong in (b"", b"schl", "schlüssel ".encode()[:-2]):
            assert client.get("/v1/models", headers={"X-Admin-Key": wrong}).status_code == 403
    with client_from(bundle_path, key="k") as client:
        assert client.get("/v1/models").status_code == 403, "this machine is not excepted"


def test_who_the_users_are_is_for_administrators_alone(bundle_path: Path) -> None:
    with client_from(bundle_path) as here:
        eventually(lambda: here.get("/v1/users").status_code == 200)
    with client_from(bundle_path, "10.0.0.7") as elsewhere:
        eventually(lambda: elsewhere.get("/health/ready").status_code == 200)
        assert elsewhere.get("/v1/users").status_code == 403
        assert elsewhere.get("/v1/users/u0/recommendations").status_code == 200
    with client_from(bundle_path, key="k") as keyed:
        eventually(lambda: keyed.get("/v1/users", headers={"X-Admin-Key": "k"}).status_code == 200)
        assert keyed.get("/v1/users").status_code == 403


def test_an_empty_key_is_none(bundle_path: Path) -> None:
    with client_from(bundle_path, "10.0.0.7", key="") as client:
        assert client.get("/v1/models", headers={"X-Admin-Key": ""}).status_code == 403


def test_the_key_reaches_other_workers_and_no_log(bundle_path: Path) -> None:
    settings = Settings(bundle=bundle_path, admin_key="geheim")
    assert settings.environment()["TOWERBRIDGE_ADMIN_KEY"] == "geheim"
    assert "geheim" not in repr(settings)
