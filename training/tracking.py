"""Experiment tracking: what was trained with which settings, how it went, and which bundle came of it.

A training tells a `Tracker`, also when it ends before its end. MLflow is one; it is imported here and nowhere else,
works in a thread of its own and never fails a training: a server that is away costs a sentence at the end.
"""

from __future__ import annotations

import logging
import os
import textwrap
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from training.curves import Curve, picture
from training.names import flat, numbers, slug

if TYPE_CHECKING:
    from bundle.manifest import Manifest
    from training.run import RunSummary

log = logging.getLogger(__name__)

URI_VARIABLE = "MLFLOW_TRACKING_URI"
RUN_TAG = "towerbridge.run"
"""The tag by which a run folder finds its MLflow run again."""
ERROR_TAG = "towerbridge.error"
"""The tag that says why a run failed."""
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}


class Tracker(Protocol):
    """Told what a training is, how it goes and what became of it."""

    def begin(self, name: str, dataset: str, settings: Mapping[str, Any]) -> None:
        """A run begins, or goes on where a run of this name was."""

    def epoch(self, fit: str, figures: Mapping[str, float]) -> None:
        """An epoch of a fit is over: `epoch`, `loss` and, where it was validated, `validation`."""

    def end(self, summary: RunSummary, curves: Mapping[str, Curve]) -> None:
        """The run is whole."""

    def stop(self, error: BaseException) -> None:
        """The run ends before its end: it raised, or somebody stopped it."""


class Untracked:
    """Nothing is kept."""

    def begin(self, name: str, dataset: str, settings: Mapping[str, Any]) -> None:
        """Keep nothing."""

    def epoch(self, fit: str, figures: Mapping[str, float]) -> None:
        """Keep nothing."""

    def end(self, summary: RunSummary, curves: Mapping[str, Curve]) -> None:
        """Keep nothing."""

    def stop(self, error: BaseException) -> None:
        """Keep nothing."""


UNTRACKED = Untracked()


@dataclass(frozen=True, slots=True)
class MlflowStore:
    """Where runs are kept: a tracking server, else a SQLite file with the artifacts in a folder beside it."""

    uri: str
    artifacts: Path | None
    """None where the server decides."""

    @classmethod
    def of(cls, home: Path, environ: Mapping[str, str]) -> MlflowStore:
        """The server that the environment names, else `mlflow.db` under a workspace."""
        if uri := environ.get(URI_VARIABLE):
            return cls(uri, None)
        home = home.absolute()
        return cls(f"sqlite:///{home / 'mlflow.db'}", home / "mlflow-artifacts")

    def client(self) -> Any:
        """An MLflow client; the first one of a new SQLite file makes its tables, which takes seconds."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        # MLflow sets its own logger up when it is imported; that it makes tables is nobody's concern.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        return MlflowClient(self.uri)

    def experiment(self, client: Any, dataset: str) -> str:
        """The id of the data set's experiment, made where there is none."""
        name = f"towerbridge-{dataset}"
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = self.artifacts.as_uri() if self.artifacts else None
        return str(client.create_experiment(name, artifact_location=location))

    def run(self, client: Any, dataset: str, name: str) -> str | None:
        """The id of the MLflow run of a run folder."""
        where = [self.experiment(client, dataset)]
        found = client.search_runs(where, filter_string=f"tags.`{RUN_TAG}` = '{name}'", max_results=1)
        return str(found[0].info.run_id) if found else None

    def revive(self, client: Any, dataset: str, name: str) -> str | None:
        """Say that the MLflow run of a run folder goes on; returns its id, None where it was not tracked."""
        known = self.run(client, dataset, name)
        if known is not None:
            found = client.get_run(known)
            if found.info.status != "RUNNING":
                client.update_run(known, "RUNNING")
            if ERROR_TAG in found.data.tags:
                client.delete_tag(known, ERROR_TAG)
        return known

    def bury(self, client: Any, dataset: str, name: str) -> None:
        """Say that a run was killed where it could not do so itself."""
        known = self.run(client, dataset, name)
        if known is not None and client.get_run(known).info.status == "RUNNING":
            client.set_terminated(known, "KILLED")


@dataclass(slots=True)
class MlflowTracker:
    """Tells MLflow, in order and in the background."""

    store: MlflowStore
    killed: Sequence[str] = ()
    """Names of runs that ended without being able to say so."""
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "tracking"))
    _told: list[Future[None]] = field(default_factory=list)
    _client: Any = None
    _run: str = ""
    """Its id; empty where the run could not be begun, and then nothing more is tried."""
    _ended: bool = False

    def begin(self, name: str, dataset: str, settings: Mapping[str, Any]) -> None:
        """Make the run, or find it again; settings are its parameters."""

        def start() -> None:
            from mlflow.entities import Param

            self._client = client = self.store.client()
            for each in self.killed:
                self.store.bury(client, dataset, each)
            known = self.store.revive(client, dataset, name)
            if known is None:
                tags = {RUN_TAG: name, "mlflow.runName": name, "towerbridge.dataset": dataset}
                known = client.create_run(self.store.experiment(client, dataset), tags=tags).info.run_id
                parameters = [Param(key, str(value)) for key, value in flat(settings)]
                client.log_batch(known, params=parameters)
            self._run = known

        self._told.append(self._thread.submit(start))

    def epoch(self, fit: str, figures: Mapping[str, float]) -> None:
        """Metrics `<fit>/loss` and `<fit>/validation`, by epoch."""
        now = int(time.time() * 1000)

        def measure() -> None:
            from mlflow.entities import Metric

            step = int(figures["epoch"])
            metrics = [
                Metric(f"{slug(fit)}/{name}", value, now, step)
                for name, value in figures.items() if name != "epoch"
            ]  # fmt: skip
            self._client.log_batch(self._run, metrics=metrics)

        self._tell(measure)

    def end(self, summary: RunSummary, curves: Mapping[str, Curve]) -> None:
        """Final figures, pictures of the curves, the notes; waits until all is told."""

        def finish() -> None:
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            measured = {**summary.metrics, "seconds": summary.training["seconds"]}
            metrics = [Metric(name, value, now, 0) for name, value in numbers(measured)]
            self._client.log_batch(self._run, metrics=metrics)
            self._client.log_dict(self._run, {"notes": summary.training["notes"]}, "notes.json")
            for fit, curve in curves.items():
                self._client.log_figure(self._run, picture(fit, curve), f"curves/{slug(fit)}.png")
            self._client.set_terminated(self._run)

        self._last(finish)

    def stop(self, error: BaseException) -> None:
        """FAILED by an exception, KILLED by whatever else ends a program; waits until all is told."""

        def finish() -> None:
            if isinstance(error, Exception):
                self._client.set_tag(self._run, ERROR_TAG, shortly(error) or type(error).__name__)
                self._client.set_terminated(self._run, "FAILED")
            else:
                self._client.set_terminated(self._run, "KILLED")

        # A run that was ended is whole, and may be interrupted while it waits for that to be told.
        if not self._ended:
            self._last(finish)

    def _tell(self, what: Callable[[], None]) -> None:
        self._told.append(self._thread.submit(lambda: what() if self._run else None))

    def _last(self, what: Callable[[], None]) -> None:
        self._ended = True
        self._tell(what)
        self._thread.shutdown()
        failed = next((error for each in self._told if (error := each.exception())), None)
        if failed:
            log.warning("MLflow has not kept all of this run: %s", shortly(failed))


def log_bundle(store: MlflowStore, run: str, bundle: Path, manifest: Manifest) -> None:
    """Keep a bundle as an artifact of the run that it was built from, and enter it in the model registry.

    A run that was not tracked gets none; a server that is away costs a warning.

    Args:
        store: where the run was tracked.
        run: the name of the run's folder.
        bundle: the sealed folder.
        manifest: its manifest.
    """
    try:
        client = store.client()
        known = store.run(client, manifest.dataset, run)
        if known is None:
            return
        client.log_artifacts(known, str(bundle), "bundle")
        name = f"towerbridge-{manifest.dataset}"
        if not client.search_registered_models(filter_string=f"name = '{name}'"):
            client.create_registered_model(name)
        figures = {key: f"{value:.6g}" for key, value in numbers(manifest.metrics)}
        tags = {"towerbridge.version": manifest.version, **figures}
        client.create_model_version(name, f"runs:/{known}/bundle", known, tags=tags)
    except Exception as error:  # whatever a server may answer: the bundle is built, tracked or not
        log.warning("MLflow has not kept the bundle %s: %s", bundle.name, shortly(error))


def forget_bundles(store: MlflowStore, dataset: str, versions: Collection[str]) -> None:
    """Remove bundles from the model registry and from the artifacts; runs keep their figures and curves.

    Args:
        store: where they were kept.
        dataset: of the bundles.
        versions: their names.
    """
    try:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        client, name = store.client(), f"towerbridge-{dataset}"
        known = client.search_model_versions(f"name = '{name}'")
        old = [each for each in known if each.tags.get("towerbridge.version") in versions]
        kept = {each.run_id for each in known if each not in old}
        for each in old:
            client.delete_model_version(name, each.version)
        for run in {each.run_id for each in old} - kept:
            artifacts: Any = get_artifact_repository(client.get_run(run).info.artifact_uri)
            artifacts.delete_artifacts("bundle")
    except Exception as error:  # whatever a server may answer: the bundles themselves are gone
        log.warning("MLflow keeps bundles that are gone: %s", shortly(error))


def shortly(error: BaseException) -> str:
    """The beginning of an error's message: MLflow quotes whole requests."""
    return textwrap.shorten(str(error), 200)
