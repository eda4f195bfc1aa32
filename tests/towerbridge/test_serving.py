"""`serve`, `recommend`, `models`, `promote` and `rollback` on a tiny real bundle, with a real mongod of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from catalog.mongod import find_mongod
from tests.bundle.make import VERSION, make_bundle
from tests.patience import PATIENCE, PATIENT_SERVER, free_port

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "towerbridge"]
OTHER = "20260102-030406-abcdef"
pytestmark = pytest.mark.mongo


@pytest.fixture
def environment(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    home = tmp_path / "home"
    ours = {"PYTHONPATH": str(ROOT), "TOWERBRIDGE_HOME": str(home), "TOWERBRIDGE_DATASET": "tiny"}
    return {**kept, **ours, **PATIENT_SERVER}


@pytest.fixture
def bundles(tmp_path):
    folder = tmp_path / "home" / "bundles" / "tiny"
    make_bundle(folder)
    return folder


@pytest.fixture
def towerbridge(tmp_path, environment):
    def run(*words):
        return subprocess.run(
            [*COMMAND, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def get(address):
    """The JSON of an address, asked until it answers 200."""
    deadline = time.monotonic() + 2 * PATIENCE
    while True:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_versions_are_listed_promoted_and_rolled_back(towerbridge, bundles):
    make_bundle(bundles, version=OTHER)
    listed = json.loads(towerbridge("models", "--json").stdout)["models"]
    assert [(each["version"], each["current"]) for each in listed] == [(VERSION, False), (OTHER, False)]
    assert towerbridge("promote", VERSION).stdout == f"{VERSION} serves tiny now\n"
    assert json.loads(towerbridge("promote", OTHER, "--json").stdout) == {"dataset": "tiny", "current": OTHER}
    assert f"{OTHER} *" in towerbridge("models").stdout
    assert towerbridge("rollback").stdout == f"{VERSION} serves tiny now\n"


def test_a_damaged_version_is_neither_promoted_nor_gone_back_to(towerbridge, bundles):
    make_bundle(bundles, version=OTHER)
    towerbridge("promote", VERSION)
    vectors = bundles / OTHER / "vectors.npy"
    whole = vectors.read_bytes()
    vectors.write_bytes(whole[:-1] + b"!")
    run = towerbridge("promote", OTHER)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert "vectors.npy" in run.stderr
    assert (bundles / "CURRENT").read_text() == f"{VERSION}\n"
    vectors.write_bytes(whole)
    assert towerbridge("promote", OTHER).returncode == 0
    (bundles / VERSION / "vectors.npy").write_bytes(b"")
    assert towerbridge("rollback").returncode == 2
    assert (bundles / "CURRENT").read_text() == f"{OTHER}\n"


def test_serving_before_anything_was_built_is_one_sentence(towerbridge):
    if find_mongod() is None:
        pytest.skip("no mongod")
    for words in (("serve",), ("recommend", "anybody")):
        run = towerbridge(*words)
        assert run.returncode == 2
        assert "`towerbridge build`" in run.stderr
        assert len(run.stderr.splitlines()) == 1


def test_recommend_answers_what_the_service_would(towerbridge, bundles):
    if find_mongod() is None:
        pytest.skip("no mongod")
    towerbridge("promote", VERSION)
    run = towerbridge("recommend", "somebody/new 🎬", "--limit", "3", "--json")
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["user_id"] == "somebody/new 🎬"
    assert answer["model_version"] == VERSION
    assert not answer["degraded"]
    assert len(answer["items"]) == 3
    assert answer["items"][0]["item_id"] in towerbridge("recommend", "somebody/new 🎬", "--limit", "1").stdout


@pytest.mark.parametrize(("sent", "codes"), [(signal.SIGTERM, {143}), (signal.SIGINT, {0, 130})])
def test_the_service_starts_answers_and_stops_with_its_mongod(
    environment, tmp_path, bundles, towerbridge, sent, codes
):
    if find_mongod() is None:
        pytest.skip("no mongod")
    towerbridge("promote", VERSION)
    port = free_port()
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port)], cwd=tmp_path, env=environment, stdout=log, stderr=log
    )
    try:
        get(f"http://127.0.0.1:{port}/health/ready")
        answer = get(f"http://127.0.0.1:{port}/v1/users/x/recommendations?limit=2")
        server = json.loads((tmp_path / "home" / "mongo" / "server.json").read_text())
        assert len(answer["items"]) == 2
        process.send_signal(sent)
        code = process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        log.seek(0)
        said = log.read()
        log.close()
    assert code in codes, said
    assert "Traceback" not in said
    assert f"model {VERSION} of tiny" in said
    assert not Path(f"/proc/{server['mongod']}").exists(), "the mongod is still there"
