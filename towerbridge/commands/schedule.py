"""`towerbridge schedule`: run trending, profiles and retraining by the clock, or one of them at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towerbridge.options import DatasetOption, DeviceOption, JsonOption, settings

if TYPE_CHECKING:
    from towerbridge.config import Schedule

STOP_SECONDS = 60.0
"""How long a job that is told to stop may take to leave things in order."""


def schedule(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    device: DeviceOption = None,
    once: Annotated[
        str | None,
        typer.Option("--once", metavar="JOB", help="run trending, profiles or retrain now, and end"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the model fresh: jobs by the clock of the settings, each logged in the registry.

    With --once a platform's own cron does the timing, as deploy/ shows for Kubernetes.
    """
    from catalog.errors import ConfigError
    from towerbridge import jobs
    from towerbridge.output import print_json
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    config = settings(ctx, dataset=dataset, device=device)
    if once is None:
        return _by_the_clock(config.schedule, _command(ctx, config.dataset, config.device))
    if once not in jobs.JOBS:
        raise ConfigError(f"expected a job among {', '.join(jobs.JOBS)}, found {once!r}")
    with progress() as bars:
        run = jobs.run(once, Workspace(config), bars)
    if as_json:
        print_json(
            {
                "job": run.job,
                "outcome": run.outcome,
                "detail": run.detail,
                "seconds": (run.ended or 0) - run.begun,
            }
        )
    else:
        print(f"{run.job}: {run.detail}")
    return None


class Child:
    """The process of the job that runs, if one does; each in its own, so that no job leaves its memory behind."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, job: str) -> None:
        """Run a job to its end, which it logs by itself."""
        with self._lock:
            if self._stopped:
                return
            self._process = subprocess.Popen([*self._command, "--once", job])
        self._process.wait()

    def stop(self) -> None:
        """Let no job begin any more, and the one that runs end; it is killed where it takes too long."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _by_the_clock(times: Schedule, command: Sequence[str]) -> None:
    """Run jobs until told to stop; one that is due while another runs waits for it."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.blocking import BlockingScheduler
    from apscheduler.triggers.cron import CronTrigger

    from catalog.errors import ConfigError
    from towerbridge.jobs import JOBS
    from towerbridge.output import note

    scheduler = BlockingScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(1)})
    child = Child(command)
    for job in JOBS:
        expression: str = getattr(times, job)
        if expression == "never":
            continue
        try:
            trigger = CronTrigger.from_crontab(expression, timezone="UTC")
        except ValueError as error:
            raise ConfigError(
                f"schedule.{job}: expected five fields of a crontab or `never`, found {expression!r}: {error}"
            ) from error
        scheduler.add_job(child.run, trigger, [job], id=job, coalesce=True, misfire_grace_time=None)
        note(f"{job}: {expression} (UTC)")
    if not scheduler.get_jobs():
        raise ConfigError("expected a job to run in [schedule], found `never` for each")
    try:
        scheduler.start()
    finally:
        child.stop()
        if scheduler.running:
            scheduler.shutdown(wait=True)


def _command(ctx: typer.Context, dataset: str, device: str) -> list[str]:
    """How a job is started, with the settings of this process."""
    command: list[Any] = [sys.executable, "-m", "towerbridge"]
    if ctx.obj.config_file is not None:
        command += ["--config", ctx.obj.config_file]
    return [*map(str, command), "schedule", "--dataset", dataset, "--device", device]
