"""What is done again and again: trending, profiles and retraining, each logged in the registry with its outcome.

One job runs at a time, whoever starts it: the scheduler, a platform's cron, a person. Which model serves changes only
through the gate.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
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


def run(name: str, workspace: Workspace, progress: Progress) -> JobRun:
    """Do a job now, and log what came of it.

    Raises:
        NotReadyError: another job runs.
        RecommenderError: what the job raised; it is logged as failed.
    """
    from catalog.mongo_ledger import MongoLedger

    with alone(workspace), workspace.stores() as (store, embeddings):
        ledger = MongoLedger(store.database)
        bury(ledger)
        return logged(ledger, name, lambda: JOBS[name](workspace, store, embeddings, progress))


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


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """Hold the place of the one job that may run; NotReadyError while another one does."""
    workspace.home.mkdir(parents=True, exist_ok=True)
    handle = os.open(workspace.home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise NotReadyError(
            f"expected no other job at work on {workspace.home}, found one; try again when it has ended"
        ) from None
    finally:
        os.close(handle)
