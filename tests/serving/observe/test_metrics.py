"""What is counted, what it adds up to over workers, and what Prometheus reads of it."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from serving.observe.counts import BUCKETS, EVENTS, REQUESTS, SECONDS, Counts, quantile
from tests.bundle.make import VERSION, N

ROUTE = ("GET", "/v1/users/{user_id}/recommendations")


def told(client: TestClient) -> dict[tuple[str, ...], float]:
    """Every sample by its name and label values."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_stages_and_events_are_told(client: TestClient) -> None:
    for user in ("u1", "u0", "nobody"):
        assert client.get(f"/v1/users/{user}/recommendations").status_code == 200
    assert client.get("/v1/users/u1/recommendations?limit=0").status_code == 422
    assert client.get("/nowhere").status_code == 404
    rows = [{"user_id": "u", "item_id": "i1", "type": "click"}] * 2 + [{"user_id": "u"}]
    client.post("/v1/interactions", json=rows)
    found = told(client)
    assert found["towerbridge_requests_total", *ROUTE, "2xx"] == 3
    assert found["towerbridge_requests_total", *ROUTE, "4xx"] == 1
    assert found["towerbridge_requests_total", "*", "other", "4xx"] == 1
    assert found["towerbridge_request_seconds_count", *ROUTE] == 4
    assert 0 < found["towerbridge_request_seconds_sum", *ROUTE] < 20
    for stage in ("fetch", "user_tower", "retrieve", "rank", "post"):
        assert found["towerbridge_stage_seconds_count", stage] == 3, stage
        assert found["towerbridge_stage_seconds_bucket", "+Inf", stage] == 3
    assert found["towerbridge_events_total", "accepted"] == 2
    assert found["towerbridge_events_total", "rejected"] == 1
    assert found["towerbridge_model", "tiny", VERSION] == 1
    assert found["towerbridge_index_items",] == N - 1, "one is hidden"
    assert found["towerbridge_store_up",] == 1
    assert found["towerbridge_model_age_seconds",] > 0
    assert any(name[0] == "towerbridge_worker_resident_bytes" for name in found)


def test_degraded_answers_are_told_by_part(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(service.model.pipeline, "_ranker", None)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(
            type(service.model.pipeline), "_score", lambda self, v, f, failed, **k: failed.append("ranker")
        )
        answer = client.get("/v1/users/u1/recommendations")
    assert answer.headers["x-degraded"] == "ranker"
    assert told(client)["towerbridge_degraded_total", "ranker"] == 1


def test_openmetrics_is_written_where_it_is_asked_for(client: TestClient) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def _worker(folder: Path) -> None:
    counts = Counts([ROUTE], folder)
    for _ in range(3):
        counts.request(ROUTE, 200, 0.003)
    counts.add(EVENTS, "accepted", 5)


def test_workers_add_up_and_those_that_ended_stay_in_the_sum(tmp_path: Path) -> None:
    own, stranger = Counts([ROUTE], tmp_path), Counts([], tmp_path)
    own.request(ROUTE, 503, 0.004)
    stranger.request(ROUTE, 200, 1.0)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_worker, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    total = own.total()
    assert {labels: n[0] for labels, n in own.series(REQUESTS, total)} == {
        (*ROUTE, "2xx"): 6,
        (*ROUTE, "5xx"): 1,
    }
    ((labels, numbers),) = own.series(SECONDS, total)
    assert labels == ROUTE
    assert numbers[BUCKETS.index(0.005)] == 7
    assert numbers[-1] == pytest.approx(6 * 0.003 + 0.004)
    assert own.workers() == [os.getpid()]


def test_bounds_belong_to_their_buckets_and_quantiles_lie_between() -> None:
    counts = Counts([ROUTE])
    for seconds in (0.0, 0.001, 0.0010001, 99.0):
        counts.request(ROUTE, 200, seconds)
    ((_, numbers),) = counts.series(SECONDS, counts.total())
    assert numbers[[0, BUCKETS.index(0.001), BUCKETS.index(0.002), len(BUCKETS)]].tolist() == [1, 1, 1, 1]
    assert quantile(np.zeros(len(BUCKETS) + 1), 0.5) is None
    even = np.zeros(len(BUCKETS) + 1)
    even[BUCKETS.index(0.002)] = 100
    assert quantile(even, 0.5) == pytest.approx(0.0015)
    assert quantile(even, 0.95) == pytest.approx(0.00195)
    even[-1] = 900
    assert quantile(even, 0.5) == BUCKETS[-1]


def test_counting_a_recommendation_takes_next_to_nothing() -> None:
    """One request, five stages: 20 µs are allowed, and the slowest of machines has some to spare."""
    counts = Counts([ROUTE])
    best = float("inf")
    for _ in range(20):
        began = time.thread_time()
        for _ in range(200):
            counts.request(ROUTE, 200, 0.0012)
            counts.fetched(0.0003)
            counts.recommended((0.0001, 0.0004, 0.0003, 0.00002))
        best = min(best, (time.thread_time() - began) / 200)
    assert best < 20e-6
