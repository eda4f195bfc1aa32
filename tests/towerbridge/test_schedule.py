"""Jobs: done alone, logged whatever becomes of them, stopped when told; and what a retrained model has to pass."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bundle import versions
from catalog import mongo_ledger
from catalog.errors import NotReadyError
from catalog.ledger import JobRun, MemoryLedger
from catalog.mongod import find_mongod
from catalog.progress import Silent
from tests.bundle.make import make_bundle
from tests.patience import PATIENCE, eventually
from towerbridge import encoding, jobs, learning
from towerbridge.commands.schedule import Child
from towerbridge.config import Config, Schedule, Train
from towerbridge.workspace import Workspace

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "towerbridge"]
A, B = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb"


@pytest.fixture
def environment(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "TOWERBRIDGE_HOME": str(tmp_path / "home"),
        "TOWERBRIDGE_DATASET": "tiny",
    }


def test_a_job_is_logged_with_its_beginning_and_its_end():
    ledger, ticks = MemoryLedger(), iter((10.0, 25.0))
    seen = []
    run = jobs.logged(
        ledger, "retrain", lambda: seen.extend(ledger.jobs()) or "all went well", lambda: next(ticks)
    )
    assert [(one.outcome, one.ended) for one in seen] == [("running", None)]
    assert ledger.jobs() == [run]
    assert (run.begun, run.ended, run.outcome, run.detail) == (10.0, 25.0, "done", "all went well")


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (NotReadyError("no data"), "failed", "NotReadyError: no data"),
        (SystemExit(143), "stopped", "it was told to stop"),
    ],
)
def test_one_that_fails_or_is_stopped_is_logged_as_that(error, outcome, detail):
    def work():
        raise error

    ledger = MemoryLedger()
    with pytest.raises(type(error)):
        jobs.logged(ledger, "retrain", work)
    assert [(one.outcome, one.detail) for one in ledger.jobs()] == [(outcome, detail)]


def test_a_job_that_was_killed_is_told_by_the_next_one():
    ledger = MemoryLedger()
    ledger.note_job(JobRun("a", "retrain", 10.0))
    ledger.note_job(JobRun("b", "trending", 20.0, 21.0, "done", "3 events"))
    jobs.bury(ledger, lambda: 90.0)
    told, killed = ledger.jobs()
    assert (killed.outcome, killed.ended) == ("stopped", 90.0)
    assert "was killed" in killed.detail
    assert (told.outcome, told.detail) == ("done", "3 events")


def test_one_job_runs_at_a_time(tmp_path):
    workspace = Workspace(Config(home=tmp_path))
    with jobs.alone(workspace, "retrain"):
        said = r"no other job at work on .*, found that retrain is running since \d{4}-\d\d-\d\d "
        with pytest.raises(NotReadyError, match=said), jobs.alone(workspace, "trending"):
            pass
    with jobs.alone(workspace, "trending"):
        pass


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A workspace of jobs that only remember that they were done, and the ledger that they are told to."""
    ledger, done = MemoryLedger(), []

    class Counted(Workspace):
        @contextmanager
        def stores(self):
            yield SimpleNamespace(database=None), None

        @contextmanager
        def registry(self):
            yield SimpleNamespace(ledger=ledger)

    monkeypatch.setattr(mongo_ledger, "MongoLedger", lambda database: ledger)
    monkeypatch.setattr(jobs, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(
        jobs, "JOBS", {name: lambda *given, name=name: done.append(name) or "done" for name in jobs.JOBS}
    )
    return SimpleNamespace(workspace=Counted(Config(home=tmp_path)), ledger=ledger, done=done)


@pytest.mark.parametrize(
    ("name", "running"), [("trending", "retrain"), ("profiles", "retrain"), ("trending", "trending")]
)
def test_a_job_that_meets_one_that_does_as_much_is_skipped_and_logged(told, name, running):
    with jobs.alone(told.workspace, running):
        run = jobs.run(name, told.workspace, Silent())
    assert told.ledger.jobs() == [run]
    assert (run.job, run.outcome, told.done) == (name, "skipped", [])
    assert run.detail.startswith(f"skipped: {running} is running since 20")
    assert run.ended == run.begun
    assert jobs.run(name, told.workspace, Silent()).outcome == "done"


@pytest.mark.parametrize("running", ["trending", "profiles", ""])
def test_a_retraining_waits_for_a_lesser_job_and_for_one_that_does_not_say_who_it_is(told, capfd, running):
    """As one does not that has just begun; and which waits may not depend on that moment."""
    ended = threading.Event()

    def waiting():
        with jobs.alone(told.workspace, running):
            begun.set()
            ended.wait()

    begun, runs = threading.Event(), []
    other = threading.Thread(target=waiting)
    other.start()
    begun.wait()
    retrain = threading.Thread(target=lambda: runs.append(jobs.run("retrain", told.workspace, Silent())))
    retrain.start()
    try:
        eventually(lambda: "retrain waits: " in capfd.readouterr().err)
        assert not told.done
    finally:
        ended.set()
        other.join()
        retrain.join()
    assert [run.outcome for run in runs] == ["done"]
    assert told.done == ["retrain"]
    assert told.ledger.jobs() == runs


@pytest.fixture
def retrained(tmp_path, monkeypatch):
    """What `retrain` does with a model of so much on validation: training itself is stood in for."""
    workspace = Workspace(Config(home=tmp_path, dataset="tiny", train=Train(tracking=False)))

    def keep(count):
        nonlocal workspace
        workspace = Workspace(workspace.config.model_copy(update={"schedule": Schedule(keep=count)}))

    def run(version, ndcg):
        path = make_bundle(workspace.bundles, version)
        document = json.loads((path / "manifest.json").read_text())
        document["metrics"] = {"validation": {"ranker": {"ndcg@10": ndcg}}}
        (path / "manifest.json").write_text(json.dumps(document))
        monkeypatch.setattr(encoding, "embed", lambda *given: None)
        monkeypatch.setattr(learning, "train", lambda *given, **more: SimpleNamespace(folder=tmp_path))
        monkeypatch.setattr(learning, "build", lambda *given, promote: path)
        return jobs.retrain(workspace, None, None, Silent())

    run.folder, run.keep = workspace.bundles, keep
    return run


def test_a_retrained_model_serves_where_it_passes_the_gate(retrained):
    assert retrained(A, 0.10).startswith(f"{A} serves: ")
    assert retrained(B, 0.097).startswith(f"{B} serves: ")
    assert versions.serving(retrained.folder) == B


def test_a_worse_one_stays_a_candidate_with_the_reason(retrained):
    retrained(A, 0.10)
    assert retrained(B, 0.09) == (
        f"{B} stays a candidate: ndcg@10 0.0900 on validation against 0.1000 of {A}; "
        "at least 0.0950 was expected (tolerance 5%)"
    )
    assert versions.serving(retrained.folder) == A


def test_one_that_cannot_be_compared_stays_a_candidate_too(retrained):
    retrained(A, 0.10)
    (retrained.folder / A / "manifest.json").write_text("{")
    assert retrained(B, 0.2).startswith(f"{B} stays a candidate: there is nothing to compare it with: ")


def test_old_versions_make_room_for_new_ones(retrained):
    names = [f"2026010{day}-000000-aaaaaa" for day in range(1, 6)]
    retrained.keep(2)
    for name in names:
        retrained(name, 0.1)
    assert versions.names(retrained.folder) == names[2:], "two that were there, and the new one"


def test_a_child_that_works_is_stopped_and_none_begins_after_it():
    child = Child([sys.executable, "-c", "import time; time.sleep(600)"])
    working = threading.Thread(target=child.run, args=("retrain",))
    working.start()
    eventually(lambda: child._process is not None)
    stopped = child._process
    child.stop()
    working.join(PATIENCE)
    assert not working.is_alive()
    child.run("trending")
    assert child._process is stopped, "no other has begun"


def test_times_that_are_none_are_refused_in_a_sentence(environment, tmp_path):
    for variables, said in [
        ({"TOWERBRIDGE_SCHEDULE_RETRAIN": "every night"}, "schedule.retrain"),
        ({f"TOWERBRIDGE_SCHEDULE_{job.upper()}": "never" for job in jobs.JOBS}, "never"),
    ]:
        run = subprocess.run(
            [*COMMAND, "schedule"], cwd=tmp_path, env={**environment, **variables}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert run.returncode == 2
        assert said in run.stderr.splitlines()[-1]


def test_the_scheduler_ends_when_it_is_told_to(environment, tmp_path):
    # The jobs that come more than once a day come on a day that there hardly is.
    rarely = {f"TOWERBRIDGE_SCHEDULE_{job.upper()}": "0 0 29 2 *" for job in jobs.JOBS if job != "retrain"}
    with subprocess.Popen(
        [*COMMAND, "schedule"], cwd=tmp_path, env=environment | rarely, stderr=subprocess.PIPE, text=True
    ) as process:
        told = [process.stderr.readline() for _ in jobs.JOBS]
        assert "retrain: 30 3 * * * (UTC)\n" in told
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143


@pytest.mark.mongo
def test_a_platforms_cron_runs_a_job_once(environment, tmp_path):
    if find_mongod() is None:
        pytest.skip("no mongod")
    run = subprocess.run(
        [*COMMAND, "schedule", "--once", "trending", "--json"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert (report["job"], report["outcome"]) == ("trending", "done")
    assert report["detail"].startswith("0 events in the last hour")
