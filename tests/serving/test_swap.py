"""Another version is promoted while requests are answered: none fails, and the old one is gone afterwards."""

from __future__ import annotations

import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from bundle import versions
from embeddings.store import MemoryEmbeddingStore
from serving import succession
from serving.app import create_app
from serving.service import Service
from serving.settings import Settings
from tests.bundle import senses
from tests.patience import eventually
from tests.serving.sensing import Shop, body_of, ids

A, B, C = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb", "20260103-000000-cccccc"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "bundles" / "shop"
    for version in (A, B, C):
        senses.make_sensing_bundle(folder, version)
    return folder


@pytest.fixture
def home(three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(succession, "WATCH_SECONDS", 0.02)
    shutil.copytree(three, tmp_path / "bundles" / "shop")
    versions.promote(tmp_path / "bundles" / "shop", A)
    return tmp_path


@contextmanager
def serving(home: Path, shop: Shop, **settings: Any) -> Iterator[TestClient]:
    app = create_app(
        Settings(home=home, dataset="shop", user_seconds=0, **settings),
        store=shop.records.live(),
        embeddings=shop.vectors,
    )
    local = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 50_000)}
    with TestClient(app, raise_server_exceptions=False, **local) as client:  # type: ignore[arg-type]
        eventually(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.fixture
def shop(three: Path) -> Shop:
    return Shop(three / A)


def service_of(client: TestClient) -> Service:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    return service


def answered_by(client: TestClient) -> str:
    version: str = client.get("/health/ready").json()["model_version"]
    return version


def mapped(home: Path) -> set[str]:
    """The versions of which this process still has a file in memory."""
    maps = Path("/proc/self/maps").read_text()
    return {version for version in (A, B, C) if str(home / "bundles" / "shop" / version) in maps}


class Visitors:
    """Threads that ask again and again, and what they were answered."""

    def __init__(self, client: TestClient, count: int = 3) -> None:
        self.seen: list[tuple[int, str]] = []
        self._client, self._stop = client, threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(count)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, number: int) -> None:
        paths = (
            f"/v1/users/u{number}/recommendations",
            "/v1/search?q=space",
            "/v1/items/i1/similar?w_text=1",
        )
        while not self._stop.is_set():
            for path in paths:
                answer = self._client.get(path)
                body: Any = answer.json()
                self.seen.append((answer.status_code, body.get("model_version", answer.text)))
                assert body.get("items"), body
                # They share an interpreter with what opens the next model, which has a processor elsewhere.
                time.sleep(0.005)


def test_swaps_and_rollbacks_under_steady_traffic_fail_no_request(home: Path, shop: Shop) -> None:
    with serving(home, shop) as client:
        assert client.post("/v1/items", json=body_of(senses.item(48))).status_code == 201
        retired = []
        with Visitors(client) as visitors:
            for path, version in [
                (f"/v1/models/{B}/promote", B), (f"/v1/models/{C}/promote", C), ("/v1/models/rollback", B),
                ("/v1/models/rollback", A), (f"/v1/models/{C}/promote", C), (f"/v1/models/{A}/promote", A),
            ]:  # fmt: skip
                retired.append(weakref.ref(service_of(client).model))
                answer = client.post(path)
                assert (answer.status_code, answer.json()["version"]) == (200, version), answer.text
                assert answered_by(client) == version
                # What came after training is there from the first answer on.
                assert "i48" in ids(client.get("/v1/search?q=q48"))
        assert {status for status, _ in visitors.seen} == {200}
        assert {version for _, version in visitors.seen} == {A, B, C}
        # Nobody looks for cycles: the last reference was the last.
        eventually(lambda: not any(model() for model in retired))
        # A view outlives its model where a thread has yet to leave the call that read it.
        eventually(lambda: mapped(home) == {A})


def test_a_version_promoted_elsewhere_is_followed_by_every_worker(home: Path, shop: Shop) -> None:
    with serving(home, shop) as one, serving(home, shop) as other:
        versions.promote(home / "bundles" / "shop", B)
        for client in (one, other):
            eventually(lambda c=client: answered_by(c) == B)  # type: ignore[misc]
        assert one.post(f"/v1/models/{C}/promote").json() == {"version": C, "before": B}
        assert answered_by(one) == C
        eventually(lambda: answered_by(other) == C)


def test_a_version_that_does_not_verify_is_refused_and_the_old_one_goes_on(home: Path, shop: Shop) -> None:
    folder = home / "bundles" / "shop"
    (folder / B / "item_tower.onnx").write_bytes((folder / B / "item_tower.onnx").read_bytes()[:-1])
    with serving(home, shop) as client:
        refused = client.post(f"/v1/models/{B}/promote")
        assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
        assert "item_tower.onnx" in refused.json()["detail"]
        assert versions.serving(folder) == A
        listed = client.get("/v1/models").json()
        assert (listed["promoted"], listed["answering"]) == (A, A)
        assert [(one["version"], one["state"]) for one in listed["models"]] == [
            (A, "serving"), (B, "refused"), (C, "candidate"),
        ]  # fmt: skip
        assert "item_tower.onnx" in listed["models"][1]["reason"]
        assert listed["refused"] is None, "it is not promoted, so nothing is wrong"
        # A good one is taken after it.
        assert client.post(f"/v1/models/{C}/promote").json() == {"version": C, "before": A}
        assert answered_by(client) == C


def test_one_that_was_promoted_behind_the_services_back_is_refused_and_told_of(
    home: Path, shop: Shop
) -> None:
    folder = home / "bundles" / "shop"
    (folder / B / "vectors.npy").write_bytes((folder / B / "vectors.npy").read_bytes()[:-1])
    with serving(home, shop) as client:
        assert client.get("/health").json() == {"status": "healthy"}
        assert "towerbridge_model_refused{" not in client.get("/metrics").text
        versions.promote(folder, B)
        eventually(lambda: client.get("/health").json() == {"status": "healthy", "refused": B})
        ready = client.get("/health/ready").json()
        assert (ready["model_version"], ready["refused"]) == (A, B)
        assert len(ids(client.get("/v1/users/u0/recommendations"))) == 10
        assert f'towerbridge_model_refused{{version="{B}"}} 1.0' in client.get("/metrics").text
        listed = client.get("/v1/models").json()
        assert (listed["promoted"], listed["answering"], listed["refused"]["version"]) == (B, A, B)
        assert "vectors.npy" in listed["refused"]["reason"]
        assert [one["state"] for one in listed["models"]][1] == "refused"
        assert client.post("/v1/models/rollback").json() == {"version": A, "before": B}
        assert client.get("/health").json() == {"status": "healthy"}
        assert client.get("/v1/models").json()["refused"] is None


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_service_that_begins_with_a_version_that_does_not_verify_takes_the_one_before(
    home: Path, shop: Shop, harm: str
) -> None:
    folder = home / "bundles" / "shop"
    versions.promote(folder, B)
    if harm == "gone":
        shutil.rmtree(folder / B)
    else:
        (folder / B / "vectors.npy").write_bytes(b"")
    with serving(home, shop) as client:
        ready = client.get("/health/ready").json()
        assert (ready["model_version"], ready["refused"]) == (A, B)
        versions.promote(folder, C)
        eventually(lambda: answered_by(client) == C)
        eventually(lambda: "refused" not in client.get("/health/ready").json())


def test_what_is_not_there_is_told(home: Path, shop: Shop) -> None:
    with serving(home, shop) as client:
        assert client.post("/v1/models/20260109-000000-ffffff/promote").status_code == 404
        assert client.post("/v1/models/..%2F..%2Fetc/promote").status_code == 404
        nothing = client.post("/v1/models/rollback")
        assert (nothing.status_code, nothing.json()["title"]) == (409, "Conflict")
        assert "earlier version" in nothing.json()["detail"]


def test_a_service_bound_to_one_bundle_promotes_none(three: Path, shop: Shop) -> None:
    app = create_app(
        Settings(bundle=three / A, home=three.parents[1], dataset="shop"), store=shop.records.live()
    )
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        answer = client.post(f"/v1/models/{B}/promote")
        assert answer.status_code == 409
        assert "TOWERBRIDGE_SERVE_BUNDLE" in answer.json()["detail"]


def test_a_service_that_began_without_a_model_takes_the_first_one(home: Path, shop: Shop) -> None:
    (home / "bundles" / "shop" / "CURRENT").unlink()
    app = create_app(
        Settings(home=home, dataset="shop"), store=shop.records.live(), embeddings=MemoryEmbeddingStore()
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        eventually(lambda: "towerbridge build" in client.get("/health/ready").text)
        versions.promote(home / "bundles" / "shop", B)
        eventually(lambda: client.get("/health/ready").status_code == 200)
        assert answered_by(client) == B
