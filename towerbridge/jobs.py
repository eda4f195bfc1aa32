"""What is done again and again: trending, profiles and retraining, each logged in the registry with its outcome.

One job runs at a time, whoever starts it: the scheduler, a platform's cron, a person. One that comes meanwhile is
skipped where the one that runs does its work too, and waits where it does not. Which model serves changes only
through the gate.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import BundleError, NotReadyError, StoreError
from towerbridge.workspace import Workspace

if TYPE_CHECKING:
    from catalog.ledger import JobRun, Ledger
    from catalog.mongo import MongoStore
    from catalog.progress import Progress
    from embeddings.mongo import MongoEmbeddingStore

HOUR, DAYS = 3600, 86_400
LOCK = "jobs.lock"
WAIT_SECONDS = 5.0
"""Between two looks at whether the job that is waited for has ended."""
log = logging.getLogger(__name__)
Job = Callable[[Workspace, "MongoStore", "MongoEmbeddingStore", "Progress"], str]
"""Does its work on open stores, and says what came of it."""


def trending(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, progress: Progress
) -> str:
    """Look whether events arrive: workers fold them in as they come, so nothing is left to compute."""
    now = time.time()
    with_time = store.database["interactions"]
    last_hour = with_time.count_documents({"s": {"$gte": now - HOUR, "$lte": now}})
    return f"{last_hour:,} events in the last hour, which the service follows as they come"


def profiles(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, progress: Progress
) -> str:
    """Encode the content that has no vector yet; what users did is read live, and needs no job."""
    from towerbridge import encoding

    embedded = encoding.embed(workspace, store, embeddings, progress)
    new = sum(report.encoded for _, report in embedded.values() if report)
    return f"{encoding.embedded_in_words(embedded)}; {new:,} vectors are new"


def retrain(
    workspace: Workspace, store: MongoStore, embeddings: MongoEmbeddingStore, progress: Progress
) -> str:
    """Encode, train and build; promote what passes the gate, and leave the rest as a candidate with the reason.

    It makes room first, of versions and runs that are older than the latest `schedule.keep`. A training that was
    stopped goes on.
    """
    from bundle import versions
    from bundle.manifest import read_manifest
    from towerbridge import encoding, learning
    from training.gate import Verdict, judge

    learning.prune(workspace, workspace.config.schedule.keep)
    encoding.embed(workspace, store, embeddings, progress)
    run = learning.train(workspace, store, embeddings, progress, go_on=True)
    path = learning.build(workspace, run.folder, progress, promote=False)
    serving = versions.serving(workspace.bundles)
    try:
        other = read_manifest(workspace.bundles / serving) if serving else None
        verdict = judge(read_manifest(path), other, workspace.config.schedule.tolerance)
    except BundleError as error:
        verdict = Verdict(False, f"there is nothing to compare it with: {error}")
    with workspace.registry() as registry:
        if not verdict.passed:
            registry.candidate(path.name, "schedule", verdict.reason)
            return f"{path.name} stays a candidate: {verdict.reason}"
        registry.verify(path.name, "schedule")
        registry.promote(path.name, "schedule", verdict.reason)
    return f"{path.name} serves: {verdict.reason}"


JOBS: Mapping[str, Job] = {"trending": trending, "profiles": profiles, "retrain": retrain}
"""By name, the least first: what one does, or looks after, those behind it do as well."""


def run(name: str, workspace: Workspace, progress: Progress) -> JobRun:
    """Do a job now, or when a lesser one has ended, and log what came of it.

    Where the same or a greater one is at work it is not done, which is logged and no failure.

    Raises:
        RecommenderError: what the job raised; it is logged as failed.
    """
    from catalog.mongo_ledger import MongoLedger
    from towerbridge.output import note

    told = ""
    while True:
        try:
            with alone(workspace, name), workspace.stores() as (store, embeddings):
                ledger = MongoLedger(store.database)
                bury(ledger)
                return logged(ledger, name, lambda: JOBS[name](workspace, store, embeddings, progress))
        except BusyError as busy:
            if busy.job in JOBS and list(JOBS).index(busy.job) >= list(JOBS).index(name):
                return skipped(workspace, name, busy)
            if told != busy.detail:
                told = busy.detail
                note(f"{name} waits: {told}")
        time.sleep(WAIT_SECONDS)


def skipped(workspace: Workspace, name: str, busy: BusyError) -> JobRun:
    """Log that a job was not done because of another one; where no registry can be told, this machine's log is."""
    from catalog.ledger import JobRun

    now = time.time()
    run = JobRun(uuid.uuid4().hex, name, now, now, "skipped", f"skipped: {busy.detail}")
    try:
        with workspace.registry() as registry:
            registry.ledger.note_job(run)
    except StoreError as error:
        log.warning("the registry was not told that %s was skipped: %s", name, error)
    return run


def bury(ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
    """Say of the runs that did not say so that they ended: none is at work while the place of the one job is ours."""
    for left in ledger.jobs():
        if left.outcome == "running":
            detail = "its process was killed before it could say how it ended"
            ledger.note_job(replace(left, ended=clock(), outcome="stopped", detail=detail))


def logged(
    ledger: Ledger, name: str, work: Callable[[], str], clock: Callable[[], float] = time.time
) -> JobRun:
    """Do some work, and tell a ledger of its beginning and its end, whichever that is."""
    from catalog.ledger import JobRun, Outcome

    run = JobRun(uuid.uuid4().hex, name, clock())
    ledger.note_job(run)
    outcome: Outcome = "stopped"
    detail = "it was told to stop"
    try:
        detail = work()
        outcome = "done"
    except Exception as error:
        outcome, detail = "failed", f"{type(error).__name__}: {error}"
        raise
    finally:
        run = replace(run, ended=clock(), outcome=outcome, detail=detail)
        try:
            ledger.note_job(run)
        except StoreError:
            if outcome == "done":
                raise
    return run


class BusyError(NotReadyError):
    """Another job is at work."""

    def __init__(self, home: Path, job: str, since: float | None) -> None:
        self.job, self.since = job, since
        """Empty and None of one that has just begun."""
        begun = "" if since is None else f" since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC"
        self.detail = f"{job or 'another job'} is running{begun}"
        super().__init__(f"expected no other job at work on {home}, found that {self.detail}")


@contextmanager
def alone(workspace: Workspace, name: str) -> Iterator[None]:
    """Hold the place of the one job that may run, under the name of one; BusyError while another one does."""
    workspace.home.mkdir(parents=True, exist_ok=True)
    handle = os.open(workspace.home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(workspace.home, *_holder(handle)) from None
        _hold(handle, f"{name} {time.time()}")
        try:
            yield
        finally:
            _hold(handle, "")
    finally:
        os.close(handle)


def _hold(handle: int, said: str) -> None:
    """Say in the file of the lock who holds it."""
    os.ftruncate(handle, 0)
    os.pwrite(handle, said.encode(), 0)


def _holder(handle: int) -> tuple[str, float | None]:
    """Which job holds the lock, and since when."""
    job, _, since = os.pread(handle, 100, 0).decode("utf-8", "replace").partition(" ")
    try:
        return job, float(since)
    except ValueError:
        return "", None
