"""The service as it is run: uvicorn in a process of its own, on a real MongoDB."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bundle import versions
from catalog.mongo import MongoStore, database_name
from tests.bundle.make import SCHEMA, USERS, VERSION, items, make_bundle
from tests.patience import PATIENCE, PATIENT_SERVER, eventually, free_port
from tests.serving.conftest import event

SERVE = "from serving.app import serve; from serving.settings import Settings; serve(Settings())"


@pytest.fixture(scope="module")
def filled(mongo_uri: str) -> Iterator[tuple[str, str]]:
    """A database of the data set `tiny-…`; its name is of this test's own."""
    dataset = f"tiny-{os.getpid()}"
    with MongoStore.open(mongo_uri, database_name(dataset)) as store:
        store.save_schema(SCHEMA)
        store.put_items(items())
        store.put_users(USERS)
        store.put_interactions([event("u1", row, 1000.0 * (i + 1)) for i, row in enumerate((1, 5, 9, 13))])
        yield mongo_uri, dataset
        store.client.drop_database(database_name(dataset))


@contextmanager
def running(environment: dict[str, str]) -> Iterator[httpx.Client]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={**os.environ, **environment, "TOWERBRIDGE_SERVE_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            until = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, f"the server ended with code {process.returncode}"
                assert time.monotonic() < until, "the server was not ready within a minute"
                try:
                    if client.get("/health/ready").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.05)
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.mongo
@pytest.mark.parametrize("workers", [1, 2])
def test_events_are_in_the_next_answer_of_every_worker(
    filled: tuple[str, str], bundle_path: Path, workers: int
) -> None:
    uri, dataset = filled
    environment = {
        "TOWERBRIDGE_MONGODB_URI": uri, "TOWERBRIDGE_DATASET": dataset,
        "TOWERBRIDGE_SERVE_BUNDLE": str(bundle_path), "TOWERBRIDGE_SERVE_WORKERS": str(workers), **PATIENT_SERVER,
    }  # fmt: skip
    with running(environment) as client:
        body = client.get("/v1/users/u1/recommendations?limit=500").json()
        assert body["degraded"] is False
        assert not {"i1", "a b", "$set", "i13"} & {item["item_id"] for item in body["items"]}
        user = f"w{workers}"
        for item in ("i4", "i8", "a/b"):
            posted = client.post("/v1/interactions", json={"user_id": user, "item_id": item, "type": "click"})
            assert posted.json() == {"accepted": 1, "errors": []}
            for _ in range(4):  # each over a connection of its own, so that workers take turns
                url = f"{client.base_url}/v1/users/{user}/recommendations?limit=500"
                found = {one["item_id"] for one in httpx.get(url, timeout=PATIENCE).json()["items"]}
                assert item not in found
        # Ids that only a real server decodes as they were meant.
        for raw, name in (("%252F", "%2F"), ("a%2Fb", "a/b"), ("%F0%9F%A6%89", "🦉")):
            assert client.get(f"/v1/users/{raw}/recommendations?limit=1").json()["user_id"] == name


def opened(client: httpx.Client, models: int) -> None:
    """Wait until all workers together have opened so many models, and no more."""
    until = time.monotonic() + PATIENCE
    line = f'towerbridge_model_swaps_total{{outcome="done"}} {models}.0'
    while line not in (text := client.get("/metrics").text):
        assert time.monotonic() < until, text
        time.sleep(0.1)


@pytest.mark.mongo
def test_both_workers_move_to_what_is_promoted_while_they_answer(
    filled: tuple[str, str], tmp_path: Path
) -> None:
    uri, dataset = filled
    folder = tmp_path / "bundles" / dataset
    first, second = (make_bundle(folder, version) for version in (VERSION, "20260102-030406-abcdef"))
    versions.promote(folder, first.name)
    environment = {
        "TOWERBRIDGE_MONGODB_URI": uri, "TOWERBRIDGE_DATASET": dataset, "TOWERBRIDGE_HOME": str(tmp_path),
        "TOWERBRIDGE_SERVE_WORKERS": "2", **PATIENT_SERVER,
    }  # fmt: skip
    with running(environment) as client:
        # The first worker answers before the second one has opened anything, and may be asked to promote by then.
        opened(client, 2)
        seen: list[tuple[int, str]] = []
        stop = threading.Event()

        def visit() -> None:
            while not stop.is_set():  # each over a connection of its own, so that workers take turns
                answer = httpx.get(f"{client.base_url}/v1/users/u1/recommendations?limit=3", timeout=PATIENCE)
                seen.append((answer.status_code, answer.json()["model_version"]))

        visitor = threading.Thread(target=visit)
        visitor.start()
        promoted = client.post(f"/v1/models/{second.name}/promote")
        assert promoted.json() == {"version": second.name, "before": first.name}
        opened(client, 4)  # twenty answers in a row may be one worker's
        enough = len(seen) + 21  # one may have been on its way
        eventually(lambda: len(seen) >= enough)
        stop.set()
        visitor.join()
        assert {status for status, _ in seen} == {200}
        assert {version for _, version in seen[-20:]} == {second.name}
        listed = client.get("/v1/models").json()["models"]
        assert [(one["state"], one["changes"][-1]["by"]) for one in listed] == [
            ("retired", "http"), ("serving", "http"),
        ]  # fmt: skip
        # Whichever worker is asked, it tells of both.
        text = client.get("/metrics").text
        told = next(
            line for line in text.splitlines() if "requests_total" in line and 'tions",status="2xx"' in line
        )
        assert float(told.split()[-1]) == len(seen)
        assert text.count("towerbridge_worker_resident_bytes{") == 2


@pytest.mark.mongo
def test_a_server_without_its_mongodb_answers_from_the_bundle(bundle_path: Path) -> None:
    environment = {
        "TOWERBRIDGE_MONGODB_URI": f"mongodb://127.0.0.1:{free_port()}/?directConnection=true",
        "TOWERBRIDGE_SERVE_BUNDLE": str(bundle_path), "TOWERBRIDGE_SERVE_RETRY_SECONDS": "30",
    }  # fmt: skip
    with running(environment) as client:
        began = time.perf_counter()
        for _ in range(10):
            body = client.get("/v1/users/u1/recommendations").json()
            assert (body["degraded"], len(body["items"])) == (True, 10)
        assert time.perf_counter() - began < 9, "ten that each wait for a second would take ten"
        refused = client.post("/v1/interactions", json={"user_id": "u", "item_id": "i1", "type": "click"})
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
