"""What a training tells MLflow can be read back from it; nothing of it needs a network or can fail a training."""

import importlib.util
import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from training.curves import picture
from training.names import flat, numbers, slug
from training.tracking import MlflowStore, MlflowTracker, Untracked, forget_bundles, log_bundle

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="needs the extra `tracking`"),
    # MLflow's own affairs with its libraries.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

CURVE = [{"epoch": 1.0, "loss": 6.5}, {"epoch": 2.0, "loss": 6.0, "validation": 0.1},
         {"epoch": 3.0, "loss": 5.5}, {"epoch": 4.0, "loss": 5.25, "validation": 0.09}]  # fmt: skip
SUMMARY = SimpleNamespace(
    metrics={"validation": {"retrieval": {"ndcg@10": 0.125}, "rmse": 0.9}},
    training={
        "seconds": {"towers": 12.5},
        "notes": ["No item has a picture vector: the item tower reads none."],
    },
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A SQLite file whose tables take seconds to make: one for all tests."""
    return MlflowStore.of(tmp_path_factory.mktemp("home"), {})


def follow(store, name, dataset="shop", curve=CURVE):
    """Track a whole run; the client and what MLflow knows of the run."""
    tracker = MlflowTracker(store)
    tracker.begin(name, dataset, {"epochs": 4, "towers": {"dropout": 0.25}})
    for entry in curve:
        tracker.epoch("ranker, order", entry)
    tracker.end(SUMMARY, {"ranker, order": CURVE})
    client = store.client()
    return client, client.get_run(store.run(client, dataset, name))


def test_parameters_metrics_curves_and_notes_are_kept(store, caplog):
    client, run = follow(store, "20260101-000000")
    assert caplog.messages == []
    assert run.data.params == {"epochs": "4", "towers.dropout": "0.25"}
    history = client.get_metric_history(run.info.run_id, "ranker-order/loss")
    assert [(each.step, each.value) for each in history] == [(1, 6.5), (2, 6.0), (3, 5.5), (4, 5.25)]
    validated = client.get_metric_history(run.info.run_id, "ranker-order/validation")
    assert [(each.step, each.value) for each in validated] == [(2, 0.1), (4, 0.09)]
    assert run.data.metrics["validation.retrieval.ndcg_at_10"] == 0.125
    assert run.data.metrics["seconds.towers"] == 12.5
    assert run.info.status == "FINISHED"
    kept = store.artifacts / run.info.run_id / "artifacts"
    assert (kept / "curves" / "ranker-order.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((kept / "notes.json").read_text()) == {"notes": SUMMARY.training["notes"]}


def test_a_run_that_goes_on_is_one_run(store):
    tracker = MlflowTracker(store)
    tracker.begin("20260102-000000", "shop", {"epochs": 4})
    tracker.epoch("ranker, order", CURVE[0])
    tracker._thread.shutdown()  # as far as a killed process came
    client, run = follow(store, "20260102-000000", curve=CURVE[1:])
    history = client.get_metric_history(run.info.run_id, "ranker-order/loss")
    assert [each.step for each in history] == [1, 2, 3, 4]
    assert (
        len(client.search_runs([run.info.experiment_id], "tags.`towerbridge.run` = '20260102-000000'")) == 1
    )


def test_a_run_that_was_killed_is_told_by_the_next_one_and_goes_on_all_the_same(store):
    begun = MlflowTracker(store)
    begun.begin("20260104-000000", "killed-shop", {})
    begun._thread.shutdown()  # as far as a killed process came
    client = store.client()

    def status():
        return client.get_run(store.run(client, "killed-shop", "20260104-000000")).info.status

    assert status() == "RUNNING"
    following = MlflowTracker(store, ["20260104-000000", "never-tracked"])
    following.begin("20260105-000000", "killed-shop", {})
    following.end(SUMMARY, {})
    assert status() == "KILLED"
    again = MlflowTracker(store)
    again.begin("20260104-000000", "killed-shop", {})
    again._thread.shutdown()
    assert status() == "RUNNING"
    follow(store, "20260104-000000", "killed-shop")
    assert status() == "FINISHED"


def test_a_run_that_ends_before_its_end_says_so_at_once(store):
    client = store.client()

    def known(name):
        return client.get_run(store.run(client, "broken-shop", name))

    ends = {
        "20260108-000000": (ValueError("expected more\nthan one user"), "FAILED", "expected more than one user"),
        "20260108-000001": (MemoryError(), "FAILED", "MemoryError"),
        "20260108-000002": (KeyboardInterrupt(), "KILLED", None),
        "20260108-000003": (SystemExit(143), "KILLED", None),
    }  # fmt: skip
    for name, (error, status, reason) in ends.items():
        tracker = MlflowTracker(store)
        tracker.begin(name, "broken-shop", {})
        tracker.epoch("towers", CURVE[0])
        tracker.stop(error)
        run = known(name)
        assert (run.info.status, run.data.tags.get("towerbridge.error")) == (status, reason)
        assert run.info.end_time is not None
        assert run.data.metrics == {"towers/loss": 6.5}, "what was told before is kept"
    # The next training finds their folders unfinished; of what they said themselves nothing changes.
    following = MlflowTracker(store, list(ends))
    following.begin("20260108-000004", "broken-shop", {})
    following.end(SUMMARY, {})
    assert [known(name).info.status for name in ends] == ["FAILED", "FAILED", "KILLED", "KILLED"]
    # Taken up again and finished, one has not failed any more.
    _, run = follow(store, "20260108-000000", "broken-shop")
    assert (run.info.status, run.data.tags.get("towerbridge.error")) == ("FINISHED", None)


def test_a_run_that_is_interrupted_when_it_is_whole_stays_whole(store):
    tracker = MlflowTracker(store)
    tracker.begin("20260109-000000", "shop", {})
    tracker.end(SUMMARY, {})
    tracker.stop(KeyboardInterrupt())
    client = store.client()
    assert client.get_run(store.run(client, "shop", "20260109-000000")).info.status == "FINISHED"


def test_a_bundle_that_was_removed_is_forgotten_and_its_run_is_not(store, tmp_path):
    client, run = follow(store, "20260106-000000", "full-shop")
    follow(store, "20260107-000000", "full-shop")
    built = {"a": "20260106-000000", "b": "20260106-000000", "c": "20260107-000000"}
    for version, name in built.items():
        folder = tmp_path / version
        folder.mkdir()
        (folder / "manifest.json").write_text(version)
        manifest = SimpleNamespace(dataset="full-shop", version=version, metrics={})
        log_bundle(store, name, folder, manifest)

    def kept():
        found = client.search_model_versions("name = 'towerbridge-full-shop'")
        return sorted(each.tags["towerbridge.version"] for each in found)

    bundle = store.artifacts / run.info.run_id / "artifacts" / "bundle"
    forget_bundles(store, "full-shop", ["a", "unheard-of"])
    assert (kept(), bundle.exists()) == (["b", "c"], True), "another version came of the same run"
    forget_bundles(store, "full-shop", ["b"])
    assert (kept(), bundle.exists()) == (["c"], False)
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
    assert (bundle.parent / "curves" / "ranker-order.png").exists()


def test_a_bundle_is_an_artifact_of_its_run_and_has_an_entry_in_the_registry(store, tmp_path):
    client, run = follow(store, "20260103-000000", "other-shop")
    folder = tmp_path / "20260103-000100-abcdef"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    manifest = SimpleNamespace(dataset="other-shop", version=folder.name, metrics=SUMMARY.metrics)
    log_bundle(store, "20260103-000000", folder, manifest)
    log_bundle(store, "20260103-000000", folder, manifest)
    versions = client.search_model_versions("name = 'towerbridge-other-shop'")
    assert {int(each.version) for each in versions} == {1, 2}
    assert {each.run_id for each in versions} == {run.info.run_id}
    assert versions[0].tags["towerbridge.version"] == folder.name
    assert versions[0].tags["validation.retrieval.ndcg_at_10"] == "0.125"
    kept = store.artifacts / run.info.run_id / "artifacts" / "bundle" / "manifest.json"
    assert kept.read_text() == "{}"


def test_a_bundle_of_an_untracked_run_is_left_alone(store, tmp_path):
    manifest = SimpleNamespace(dataset="shop", version="x", metrics={})
    log_bundle(store, "never-tracked", tmp_path, manifest)
    assert not store.client().search_registered_models("name = 'towerbridge-shop'")


def test_a_server_that_is_away_costs_a_sentence(monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = MlflowStore.of(tmp_path, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    tracker = MlflowTracker(away)
    with caplog.at_level(logging.WARNING):
        tracker.begin("run", "shop", {})
        tracker.epoch("towers", CURVE[0])
        tracker.end(SUMMARY, {"towers": CURVE})
        log_bundle(away, "run", tmp_path, SimpleNamespace(dataset="shop", version="x", metrics={}))
    ours = [record.getMessage() for record in caplog.records if record.name == "training.tracking"]
    assert [message.partition(":")[0] for message in ours] == [
        "MLflow has not kept all of this run", f"MLflow has not kept the bundle {tmp_path.name}",
    ]  # fmt: skip


def test_the_environment_names_another_server(tmp_path):
    assert MlflowStore.of(tmp_path, {}).uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert MlflowStore.of(tmp_path, {"MLFLOW_TRACKING_URI": ""}).artifacts == tmp_path / "mlflow-artifacts"
    assert MlflowStore.of(tmp_path, {"MLFLOW_TRACKING_URI": "http://x"}) == MlflowStore("http://x", None)


def test_the_picture_shows_the_losses_and_marks_the_best_validation():
    left, right = picture("towers", CURVE).axes
    assert left.lines[0].get_ydata().tolist() == [6.5, 6.0, 5.5, 5.25]
    assert right.lines[0].get_xydata().tolist() == [[2, 0.1], [4, 0.09]]
    assert right.lines[1].get_xydata().tolist() == [[2, 0.1]]
    assert len(picture("towers", CURVE[:1]).axes) == 1


def test_names_are_such_as_mlflow_takes():
    assert dict(flat({"a": {"ndcg@10": 1, "b": "x"}, "c": None})) == {
        "a.ndcg_at_10": 1,
        "a.b": "x",
        "c": None,
    }
    assert dict(numbers({"a": {"b": True, "c": 2}, "d": "3"})) == {"a.c": 2.0}
    assert slug("ranker, order") == "ranker-order"


def test_without_mlflow_a_training_is_told_to_nobody():
    tracker = Untracked()
    tracker.begin("run", "shop", {})
    tracker.epoch("towers", CURVE[0])
    tracker.end(SUMMARY, {})
    tracker.stop(ValueError())


SILENT = """
import socket, sys, types
from pathlib import Path
def refused(*_, **__):
    print("network")
    raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refused
from training.tracking import MlflowStore, MlflowTracker
tracker = MlflowTracker(MlflowStore.of(Path(sys.argv[1]), {}))
tracker.begin("run", "shop", {"epochs": 1})
tracker.epoch("towers", {"epoch": 1.0, "loss": 2.0})
summary = types.SimpleNamespace(metrics={}, training={"seconds": {}, "notes": []})
tracker.end(summary, {"towers": [{"epoch": 1.0, "loss": 2.0}]})
print(*sorted({"mlflow", "matplotlib", "torch", "tensorflow"} & set(sys.modules)))
"""


def test_tracking_asks_no_network_and_loads_no_framework(store, tmp_path):
    """In a process of its own, since telemetry begins with the import."""
    (tmp_path / "mlflow.db").write_bytes(Path(store.uri.removeprefix("sqlite:///")).read_bytes())
    root = Path(__file__).parent.parent.parent
    process = subprocess.run(
        [sys.executable, "-c", SILENT, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == ["matplotlib", "mlflow"], process.stderr
    assert process.stderr == ""
