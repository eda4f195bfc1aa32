"""Training as the command line starts it: with which knobs, into which folder, and what tuning leaves for it."""

import tomllib
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import training.build
import training.presets
import training.run
import training.train
import training.tune
from bundle import versions
from catalog.errors import BundleError, ConfigError
from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.progress import SILENT
from catalog.registry import open_dataset
from catalog.simulated.world import Size
from embeddings.store import MemoryEmbeddingStore
from tests.bundle.make import make_bundle
from towerbridge import learning
from towerbridge.config import load
from towerbridge.workspace import Workspace
from training.checkpoint import Started, Unfinished, read_started
from training.config import TrainConfig
from training.dataset import TrainingData
from training.presets import nested
from training.run import SUMMARY
from training.split import next_item
from training.tune import Found

pytestmark = pytest.mark.train


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(**settings):
        return Workspace(load(None, {"TOWERBRIDGE_HOME": str(tmp_path / "home")}, settings))

    return made


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A small shop that was imported, and not embedded."""
    store = MemoryStore()
    size = Size(items=60, users=40, events=1200, seed=3)
    import_dataset(open_dataset("simulated", home=tmp_path_factory.mktemp("home"), size=size), store)
    return store, MemoryEmbeddingStore()


@pytest.fixture
def trained(monkeypatch):
    """What training was asked for, instead of training: pairs of folder and configuration."""
    asked = []

    def train(data, config, folder, progress, *, tracker):
        asked.append((folder, config))

    monkeypatch.setattr(training.train, "train", train)
    return asked


def test_settings_beat_what_was_tuned_which_beats_the_preset_which_beats_the_default(workspace, monkeypatch):
    presets = {
        "simulated": {"batch_size": 16, "learning_rate": 0.004, "towers": {"blocks": 1, "dropout": 0.5}}
    }
    monkeypatch.setattr(training.presets, "PRESETS", presets)
    place = workspace(**{"train.batch_size": 8, "train.embedding_size": 32})
    place.tuned.parent.mkdir(parents=True)
    place.tuned.write_text("learning_rate = 0.002\nbatch_size = 64\n[towers]\ndropout = 0.25\n")
    config = learning.train_config(place)
    assert (config.batch_size, config.learning_rate) == (8, 0.002)
    assert (config.towers.blocks, config.towers.dropout, config.towers.embedding_size) == (1, 0.25, 32)
    assert config.history == TrainConfig().history


def test_one_dial_shortens_all_fits(workspace):
    config = learning.train_config(workspace(**{"train.epochs": 2, "train.seed": 5}))
    assert (config.epochs, config.order_epochs, config.rating_epochs, config.seed) == (2, 2, 2, 5)
    longer = learning.train_config(workspace(**{"train.epochs": 500}))
    assert (longer.epochs, longer.order_epochs) == (500, TrainConfig().order_epochs)


@pytest.mark.parametrize("text", ["learning_rat = 0.1", "learning_rate = 'much'", "learning_rate = "])
def test_a_file_of_knobs_that_cannot_be_read_is_named(workspace, text):
    place = workspace()
    place.tuned.parent.mkdir(parents=True)
    place.tuned.write_text(text)
    with pytest.raises(ConfigError, match=str(place.tuned)):
        learning.train_config(place)


def test_what_tuning_found_is_what_training_takes(workspace, stores, monkeypatch):
    said = []

    class Search:
        def __init__(self, data, config, storage, progress, told):
            self.config = config
            assert storage.startswith("sqlite:////")

        def run(self, minutes, trials):
            said.append((minutes, trials, self.config.order_batch_size))
            knobs = {"learning_rate": 0.0025, "towers.embedding_size": 128, "towers.dropout": 0.125}
            return [
                Found("towers", 7, 0.125, 0.15, knobs, (0.125, 0.1375)),
                Found("order", 3, 0.2, 0.21, {"order_batch_size": 32}, (0.2, 0.19)),
            ]

    monkeypatch.setattr(training.tune, "Tuning", Search)
    monkeypatch.setattr(learning, "find_spec", lambda name: name)
    place = workspace()
    found = learning.tune(place, *stores, SILENT, said.append, 10, 4)
    assert [each.holds for each in found] == [True, False]
    config = learning.train_config(place)
    assert (config.learning_rate, config.towers.embedding_size, config.towers.dropout) == (0.0025, 128, 0.125)
    assert config.order_batch_size == TrainConfig().order_batch_size
    text = place.tuned.read_text()
    assert text.startswith("# Found by `towerbridge tune`")
    assert "# towers: validation 0.1250 → 0.1500 in 7 trials" in text
    assert said == [(10, 4, TrainConfig().order_batch_size)]


def test_knobs_survive_being_written():
    knobs = nested(
        {"epochs": 30, "learning_rate": 1e-05, "name": 'a "b"', "towers.dropout": 0.1, "towers.blocks": 2}
    )
    assert tomllib.loads(learning.toml(knobs)) == knobs


def test_without_optuna_tuning_says_what_brings_it(workspace, stores, monkeypatch):
    monkeypatch.setattr(learning, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'towerbridge\[tune\]'"):
        learning.tune(workspace(), *stores, SILENT, print, 1, None)


def begun(workspace, stores, name, config=None):
    """A run of this name that was begun and stopped at once."""
    data = TrainingData.load(*stores)
    started = Started.now(data, next_item(data), config or learning.train_config(workspace))
    with Unfinished(workspace.runs / name, started):
        return workspace.runs / name


def test_the_unfinished_run_is_the_latest_one_if_it_is_unfinished(workspace, stores):
    place = workspace()
    assert place.unfinished_run() is None
    begun(place, stores, "20260101-000000")
    later = begun(place, stores, "20260102-000000")
    assert place.unfinished_run() == later
    (later / SUMMARY).write_text("{}")
    assert place.unfinished_run() is None


def test_resume_goes_on_with_the_settings_that_the_run_was_begun_with(workspace, stores, trained):
    begun_with = replace(learning.train_config(workspace()), epochs=3, seed=9)
    folder = begun(workspace(), stores, "20260101-000000", begun_with)
    learning.train(workspace(), *stores, SILENT, resume=True)
    assert trained == [(folder, begun_with)]
    assert read_started(folder).config == begun_with


def test_resume_needs_something_to_go_on_with(workspace, stores, trained):
    with pytest.raises(ConfigError, match="found none; begin one without --resume"):
        learning.train(workspace(), *stores, SILENT, resume=True)
    assert trained == []


def test_the_demo_goes_on_only_where_nothing_has_changed(workspace, stores, trained):
    folder = begun(workspace(), stores, "20260101-000000")
    learning.train(workspace(), *stores, SILENT, go_on=True)
    learning.train(workspace(**{"train.epochs": 2}), *stores, SILENT, go_on=True)
    assert [where == folder for where, _ in trained] == [True, False]


def test_what_killed_trainings_left_goes_when_another_one_is_finished(workspace, stores, monkeypatch):
    place = workspace()
    killed, other = (begun(place, stores, f"2026010{day}-000000") for day in (1, 2))
    (killed / "checkpoints").mkdir()
    finished = begun(place, stores, "20260103-000000")
    (finished / SUMMARY).write_text("{}")
    data = TrainingData.load(*stores)
    started, there = Started.now(data, next_item(data), learning.train_config(place)), []
    monkeypatch.setattr(training.train, "train", lambda *given, **more: there.append(killed.exists()))
    with Unfinished(other, started):  # somebody is at it
        learning.train(place, *stores, SILENT)
    assert there == [True], "until then one may go on with it"
    assert sorted(place.runs.iterdir()) == [other, finished]


def test_old_runs_are_removed_and_unfinished_ones_left(workspace, stores):
    place = workspace(**{"train.tracking": False})
    runs = [begun(place, stores, f"2026010{day}-000000") for day in range(1, 6)]
    for path in runs[:4]:
        (path / SUMMARY).write_text("{}")
    assert learning.prune(place, 3) == learning.Pruned([], [runs[0].name])
    assert sorted(place.runs.iterdir()) == runs[1:]


def test_what_was_built_and_does_not_verify_is_refused_and_not_promoted(workspace, monkeypatch, tmp_path):
    place = workspace(**{"train.tracking": False})
    path = make_bundle(place.bundles)
    (path / "vectors.npy").write_bytes(b"")
    summary = SimpleNamespace(encoders=SimpleNamespace(text=None, image=None))
    monkeypatch.setattr(
        training.run.Run, "open", lambda folder: SimpleNamespace(folder=folder, summary=summary)
    )
    monkeypatch.setattr(training.build, "build", lambda *given: path)
    with pytest.raises(BundleError, match=r"vectors\.npy"):
        learning.build(place, tmp_path, SILENT, promote=True)
    assert versions.names(place.bundles) == [path.name]
    assert versions.serving(place.bundles) is None


def test_validation_figures_are_a_table_of_what_was_measured():
    figures = {"retrieval": {"ndcg@10": 0.1, "mrr": 0.2}, "ranker": {"ndcg@10": 0.3}, "rmse": 0.9}
    run = SimpleNamespace(summary=SimpleNamespace(metrics={"validation": figures}))
    assert learning.validated(run) == (
        ("on validation", "ndcg@10", "mrr"), [("retrieval", 0.1, 0.2), ("ranker", 0.3, None)],
    )  # fmt: skip


def test_tracking_can_be_turned_off_and_needs_mlflow(workspace, monkeypatch):
    place = workspace()
    monkeypatch.setattr(learning, "find_spec", lambda name: name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert learning.tracking_store(place).uri == f"sqlite:///{place.home.absolute() / 'mlflow.db'}"
    assert learning.tracking_store(workspace(**{"train.tracking": False})) is None
    monkeypatch.setattr(learning, "find_spec", lambda name: None)
    assert learning.tracking_store(place) is None
