"""What the control room is told: rates, what was shown, the data, one recommendation in stages, a map, trainings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from catalog.errors import StoreError
from catalog.impressions import MemoryImpressions
from serving.app import create_app
from serving.live.impressions import MOST_WAITING, Impressions
from serving.model import Model
from serving.observe.chart import plane
from serving.observe.counts import IMPRESSIONS, Counts
from serving.observe.overview import gini
from serving.recommend.query import Ranked
from serving.settings import Settings
from tests.bundle import senses
from tests.serving.sensing import Shop, eventually, ids

LOCAL: dict[str, Any] = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 50_000)}


@pytest.fixture
def room(shop: Shop, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(bundle=shop.bundle, home=tmp_path, dataset="shop", user_seconds=0, impressions=1.0)
    app = create_app(settings, store=shop.records.live(), embeddings=shop.vectors)
    with TestClient(app, raise_server_exceptions=False, **LOCAL) as client:
        eventually(lambda: client.get("/health/ready").status_code == 200)
        yield client


def told(client: TestClient, path: str) -> Any:
    answer = client.get(f"/v1/admin/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def model_of(client: TestClient) -> Model:
    model: Model = client.app.state.service.model  # type: ignore[attr-defined]
    return model


def ranked(count: int) -> Ranked:
    return Ranked(np.arange(count), np.ones(count, np.float32), ["new"] * count)


def flush(client: TestClient) -> None:
    assert client.portal is not None
    client.portal.call(client.app.state.service.impressions.flush)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["overview", "inspect?user_id=u0", "map", "runs"])
def test_only_administrators_are_told(room: TestClient, path: str) -> None:
    assert room.get(f"/v1/admin/{path}", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 403


def test_the_overview_counts_what_happened_and_what_was_shown(room: TestClient) -> None:
    lists = [ids(room.get(f"/v1/users/{user}/recommendations?limit=5")) for user in ("u0", "u0", "u1")]
    room.post("/v1/interactions", json={"user_id": "u9", "item_id": "i1", "type": "click"})
    flush(room)
    body = told(room, "overview")
    route = next(one for one in body["routes"] if one["route"] == "/v1/users/{user_id}/recommendations")
    assert (route["method"], route["requests"], route["errors"]) == ("GET", 3, 0)
    assert 0 < route["p50_ms"] <= route["p95_ms"] <= route["p99_ms"]
    assert route["per_second"] == pytest.approx(3 / body["window_seconds"], rel=0.1)
    assert {one["stage"]: one["count"] for one in body["stages"]}["rank"] == 3
    assert body["answers"] == told(room, "overview")["answers"] - 1, "the look itself is the one between"
    assert body["events"] == {"accepted": 1}
    assert body["workers"] == 1
    shown = body["shown"]
    different = {item for listed in lists for item in listed}
    assert (shown["impressions"], shown["items"]) == (3, len(different))
    assert shown["coverage"] == pytest.approx(len(different) / (senses.N - 1), abs=1e-5)
    assert sum(shown["by_popularity"]) == pytest.approx(1, abs=1e-5)
    assert shown["top"][0]["count"] >= 2
    assert body["data"]["without_text"] == 1
    assert body["data"]["without_image"] == 1
    assert (body["data"]["items"], body["data"]["available"]) == (senses.N, senses.N - 1)


def test_what_was_shown_is_kept_with_positions_and_scores(room: TestClient) -> None:
    answer = room.get("/v1/users/u0/recommendations?limit=4", headers={"X-Request-ID": "mine"}).json()
    flush(room)
    store = room.app.state.service.impressions.store  # type: ignore[attr-defined]
    kept = store.kept[-1]
    assert (kept.request_id, kept.user_id, kept.model_version) == ("mine", "u0", senses.VERSION)
    assert kept.items == [one["item_id"] for one in answer["items"]]
    assert kept.scores == [one["score"] for one in answer["items"]]


class Broken(MemoryImpressions):
    async def append(self, impressions: Any) -> None:
        raise StoreError("the connection to MongoDB was lost")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_store_that_fails_costs_what_was_noted_and_nothing_else(room: TestClient) -> None:
    counts = Counts()
    kept = Impressions(Broken(), counts, 1.0)
    for number in range(MOST_WAITING + 7):
        kept.note(str(number), "u", model_of(room), ranked(1))
    await kept.flush()
    await kept.flush()
    assert {labels: n[0] for labels, n in counts.series(IMPRESSIONS, counts.total())} == {
        ("dropped",): MOST_WAITING + 7
    }


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_share_of_nothing_notes_nothing(room: TestClient) -> None:
    store = MemoryImpressions()
    kept = Impressions(store, Counts(), 0.0)
    for _ in range(100):
        kept.note("r", "u", model_of(room), ranked(1))
    await kept.flush()
    assert not store.kept


def test_noting_a_list_takes_next_to_nothing(room: TestClient) -> None:
    kept = Impressions(MemoryImpressions(), Counts(), 1.0)
    model, shown = model_of(room), ranked(10)
    best = float("inf")
    for _ in range(20):
        began = time.thread_time()
        for _ in range(200):
            kept.note("r", "u", model, shown)
        best = min(best, (time.thread_time() - began) / 200)
    assert best < 20e-6


def test_an_inspection_shows_what_the_answer_is_made_of(room: TestClient) -> None:
    answer = room.get("/v1/users/u0/recommendations?limit=6").json()
    body = told(room, "inspect?user_id=u0&limit=6")
    assert [one["item_id"] for one in body["items"]] == [one["item_id"] for one in answer["items"]]
    assert [one["score"] for one in body["items"]] == [one["score"] for one in answer["items"]]
    assert [one["source"] for one in body["items"]] == [one["source"] for one in answer["items"]]
    assert [one["item_id"] for one in body["history"]] == ["i12", "i8", "i4", "i0"], "the latest first"
    assert {one["type"] for one in body["history"]} == {"click"}
    # Nearest in the tower's space, with what the user has seen, which is marked.
    model = room.app.state.service.model  # type: ignore[attr-defined]
    seen = {one["item_id"] for one in body["neighbours"] if one["filtered"] == "seen"}
    assert seen <= {"i0", "i4", "i8", "i12"}
    assert seen
    similarities = [one["similarity"] for one in body["neighbours"]]
    assert similarities == sorted(similarities, reverse=True)
    assert {one["source"] for one in body["sources"]} == set(model.pipeline.sources)
    assert sum(one["taken"] for one in body["sources"]) == 6
    assert body["filtered"] == {"seen": 4, "unavailable": 1}
    assert (body["catalogue"], body["pool"]) == (senses.N, senses.N - 5), "all that may be shown are ranked"
    assert (body["known"], body["cold"], body["degraded"]) == (True, False, [])
    assert all(milliseconds > 0 for milliseconds in body["milliseconds"].values())
    stranger = told(room, "inspect?user_id=nobody%2Fat%20all")
    assert (stranger["known"], stranger["cold"], stranger["history"]) == (False, True, [])
    assert stranger["user_id"] == "nobody/at all"
    assert len(stranger["items"]) == 10


def test_the_map_shows_items_of_a_kind_beside_each_other(room: TestClient) -> None:
    body = told(room, "map")
    assert (len(body["items"]), body["of"]) == (senses.N - 1, senses.N - 1)
    assert 0 < body["explained"][1] <= body["explained"][0] <= 1
    sample = told(room, "map?limit=10")
    assert (len(sample["items"]), sample["of"]) == (10, senses.N - 1)


def test_the_plane_is_that_of_the_singular_value_decomposition() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32) * np.arange(
        1, 9, dtype=np.float32
    )
    places, explained = plane(vectors)
    u, s, _ = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    assert np.allclose(np.abs(places), np.abs(u[:, :2] * s[:2]), atol=1e-3)
    assert explained == pytest.approx((s**2 / (s**2).sum())[:2].tolist(), abs=1e-5)
    assert plane(np.zeros((3, 4), np.float32))[0].tolist() == [[0, 0]] * 3
    assert plane(np.zeros((0, 4), np.float32))[0].shape == (0, 2)
    assert plane(np.array([[1.0], [3.0]], np.float32))[0].tolist() == [[-1, 0], [1, 0]]


def test_gini_by_hand() -> None:
    assert gini(np.array([5.0, 5.0, 5.0, 5.0]), 4) == 0
    assert gini(np.array([8.0]), 4) == 0.75
    # Sorted 0, 0, 1, 3: (2·3-5)·1 + (2·4-5)·3 = 10 over 4·4.
    assert gini(np.array([3.0, 1.0]), 4) == 0.625


def test_runs_are_shown_with_their_curves_and_damaged_ones_left_out(room: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "shop"
    for name in ("20260101-000000", "20260102-030405", "20260103-000000"):
        (folder / name).mkdir(parents=True)
    summary = {"metrics": {"validation": {"rmse": 0.9}}, "training": {"notes": ["No pictures."]}}
    (folder / "20260101-000000" / "run.json").write_text(json.dumps(summary))
    (folder / "20260102-030405" / "run.json").write_text(json.dumps(summary))
    (folder / "20260102-030405" / "curves.json").write_text('{"towers": [{"epoch": 1, "loss": 2.5}]}')
    (folder / "20260103-000000" / "run.json").write_text("{")
    first, second = told(room, "runs")["runs"]
    assert (first["run"], first["began"]) == ("20260102-030405", "2026-01-02T03:04:05Z")
    assert first["curves"] == {"towers": [{"epoch": 1, "loss": 2.5}]}
    assert (second["curves"], second["notes"]) == ({}, ["No pictures."])
