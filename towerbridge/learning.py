"""The stages that learn, as plain functions on open stores: train, build, and the knobs they are given."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import ConfigError
from towerbridge.encoding import choice
from towerbridge.workspace import Workspace, imported

if TYPE_CHECKING:
    from catalog.progress import Progress
    from catalog.store import CatalogStore
    from embeddings.store import EmbeddingStore
    from training.config import TrainConfig
    from training.run import Run
    from training.tracking import MlflowStore
    from training.tune import Found


def train(
    workspace: Workspace,
    store: CatalogStore,
    embeddings: EmbeddingStore,
    progress: Progress,
    *,
    resume: bool = False,
    go_on: bool = False,
) -> Run:
    """Fit towers and ranker.

    Runs that were begun before, and killed, are told to the tracker as that; they go when this one is finished.

    Args:
        workspace: where the run goes and what the settings are.
        store: the catalogue.
        embeddings: its content vectors.
        progress: told of every batch.
        resume: go on with the latest run, which must be unfinished, with the settings that it was begun with.
        go_on: go on with it where it is unfinished and was begun with the same data and settings.
    """
    from towerbridge import quiet
    from training.dataset import TrainingData

    imported(store, workspace.dataset)
    begun = workspace.unfinished_run() if resume or go_on else None
    with quiet.native():
        from training.checkpoint import Started, can_go_on, killed, read_started
        from training.split import next_item
        from training.tracking import UNTRACKED, MlflowTracker
        from training.train import train
    data = TrainingData.load(store, embeddings)
    if resume:
        if begun is None:
            raise ConfigError(
                f"expected an unfinished training run in {workspace.runs}, found none; begin one without --resume"
            )
        config = read_started(begun).config
    else:
        config = train_config(workspace)
        if begun is not None and not can_go_on(begun, Started.now(data, next_item(data), config)):
            begun = None
    folder = begun or workspace.runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    where = tracking_store(workspace)
    left = [path for path in killed(workspace.runs) if path != begun]
    tracker = MlflowTracker(where, [path.name for path in left]) if where else UNTRACKED
    run = train(data, config, folder, progress, tracker=tracker)
    for path in killed(workspace.runs):
        if path in left:
            shutil.rmtree(path)
    return run


def notes(run: Run) -> list[str]:
    """What the run says that it did not do, and why."""
    said = run.summary.training.get("notes")
    return [str(each) for each in said] if isinstance(said, list) else []


def validated(run: Run) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Head and rows of the table of a run's validation figures."""
    measured = run.summary.metrics["validation"]
    assert isinstance(measured, dict), measured
    orders = {name: figures for name, figures in measured.items() if isinstance(figures, dict)}
    names = list(dict.fromkeys(name for figures in orders.values() for name in figures))
    rows: list[tuple[object, ...]] = [
        (name, *(figures.get(each) for each in names)) for name, figures in orders.items()
    ]
    return ("on validation", *names), rows


def train_config(workspace: Workspace) -> TrainConfig:
    """The knobs of a run: the data set's preset, less what `towerbridge tune` found, less what the settings say."""
    from training.presets import nested, preset, turned

    path = workspace.tuned
    config = turned(preset(workspace.dataset), tuned_knobs(path), str(path))
    given = workspace.config.train.model_dump(exclude_none=True, exclude={"tracking"})
    if "embedding_size" in given:
        given["towers.embedding_size"] = given.pop("embedding_size")
    if "ranker" in given:
        given["ranker.kind"] = given.pop("ranker")
    if "epochs" in given:
        # One dial for all three fits: whoever asks for a short run does not mean the towers alone.
        given["rating_epochs"] = min(config.rating_epochs, given["epochs"])
        given["order_epochs"] = min(config.order_epochs, given["epochs"])
    return turned(config, nested({**given, "device": workspace.config.device}), "settings")


def tune(
    workspace: Workspace,
    store: CatalogStore,
    embeddings: EmbeddingStore,
    progress: Progress,
    told: Callable[[str], None],
    minutes: float,
    trials: int | None,
) -> list[Found]:
    """Search for better knobs, and leave those that hold where training reads them.

    Args:
        workspace: where studies and knobs are kept.
        store: the catalogue.
        embeddings: its content vectors.
        progress: told of every batch.
        told: told of every trial, in a sentence.
        minutes: time for all of it.
        trials: at most so many for each model.
    """
    from bundle.durable import replace_text
    from towerbridge import quiet
    from training.dataset import TrainingData

    if find_spec("optuna") is None:
        raise ConfigError("`towerbridge tune` needs Optuna: pip install 'towerbridge[tune]' brings it")
    imported(store, workspace.dataset)
    with quiet.native():
        from training.presets import merged, nested
        from training.tune import Tuning
    data, path = TrainingData.load(store, embeddings), workspace.tuned
    storage = f"sqlite:///{(workspace.home / 'tuning.db').absolute()}"
    found = Tuning(data, train_config(workspace), storage, progress, told).run(minutes, trials)
    better = [each for each in found if each.holds]
    if better:
        knobs = tuned_knobs(path)
        for each in better:
            knobs = merged(knobs, nested(each.knobs))
        figures = [
            f"# {each.model}: validation {each.before:.4f} → {each.best:.4f} in {each.trials} trials"
            for each in better
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(
            path,
            "\n".join(["# Found by `towerbridge tune`; remove this file to go back.", *figures, toml(knobs)]),
        )
    return found


def toml(knobs: Mapping[str, Any]) -> str:
    """Nested numbers and texts as TOML, sections last."""
    lines = [
        f"{name} = {json.dumps(value)}" for name, value in knobs.items() if not isinstance(value, Mapping)
    ]
    for name, section in knobs.items():
        if isinstance(section, Mapping):
            lines += ["", f"[{name}]", toml(section).rstrip()]
    return "\n".join(lines) + "\n"


def tuned_knobs(path: Path) -> Mapping[str, Any]:
    """The knobs that tuning left for a data set; none where it never ran."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: expected knobs as TOML, found {error}; mend it or remove it") from error


def tracking_store(workspace: Workspace) -> MlflowStore | None:
    """Where runs are tracked; None where the settings say so or MLflow is not installed."""
    if not workspace.config.train.tracking or find_spec("mlflow") is None:
        return None
    from training.tracking import MlflowStore

    return MlflowStore.of(workspace.home, os.environ)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, oldest first."""

    versions: list[str]
    runs: list[str]


def prune(workspace: Workspace, keep: int) -> Pruned:
    """Remove old bundles (`bundle.versions.prune`), and finished runs but for the latest `keep`.

    A bundle holds all that it needs of its run, so neither needs the other.
    """
    from bundle import versions
    from training.tracking import forget_bundles

    bound = workspace.config.serve.bundle
    gone = versions.prune(workspace.bundles, keep, bound.name if bound else None)
    runs = workspace.finished_runs()[:-keep]
    for path in runs:
        shutil.rmtree(path)
    if gone and (where := tracking_store(workspace)):
        forget_bundles(where, workspace.dataset, gone)
    return Pruned(gone, [path.name for path in runs])


def build(workspace: Workspace, run: Path | None, progress: Progress, promote: bool) -> Path:
    """Seal a run, by default the latest, and make it the version that serves."""
    from bundle.manifest import read_manifest
    from training.build import build
    from training.run import Run
    from training.tracking import log_bundle

    finished = Run.open(run or workspace.latest_run())
    progress.start("encoders", None)
    names = finished.summary.encoders
    encoders = choice(workspace).carried(
        {"text": names.text, "image": names.image}, workspace.config.encoders.text_precision
    )
    progress.start("index", None)
    own = workspace.synonyms
    path = build(finished, workspace.bundles, encoders, own if own.is_file() else None)
    with workspace.registry() as registry:
        registry.candidate(path.name, "cli", f"built from run {finished.folder.name}")
        if promote:
            registry.verify(path.name, "cli")
            registry.promote(path.name, "cli")
    if where := tracking_store(workspace):
        progress.start("tracking", None)
        log_bundle(where, finished.folder.name, path, read_manifest(path))
    return path
