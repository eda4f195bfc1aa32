"""The story of every model version: registered, promoted, retired, refused, and why; and of the jobs that were run.

Which version serves is not decided here but by a file beside the bundles (`bundle.versions`): serving must not need
a database to know what to open. The ledger keeps what that file cannot say. `catalog.mongo_ledger` keeps it in
MongoDB, `MemoryLedger` in memory; one contract test holds both to the same promises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

State = Literal["candidate", "serving", "retired", "refused"]
Outcome = Literal["running", "done", "failed", "stopped", "skipped"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step in the life of a version."""

    at: float
    """Seconds since the epoch."""
    state: State
    by: str
    """Who did it: `cli`, `http`, `schedule`, or a `worker` that met what others did."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version as the ledger knows it."""

    version: str
    dataset: str
    created: float
    """When it was sealed, in seconds since the epoch."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    """Oldest first."""

    @property
    def last(self) -> Change | None:
        """The latest step."""
        return self.changes[-1] if self.changes else None


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a scheduled job."""

    key: str
    """Of this run alone."""
    job: str
    begun: float
    ended: float | None = None
    outcome: Outcome = "running"
    detail: str = ""
    """What came of it, in a sentence."""


class Ledger(Protocol):
    """Keeps versions and job runs. Every write is durable when it returns."""

    def register(self, entry: Entry) -> None:
        """Enter a version with its first changes; one that is known stays as it is."""

    def add(self, version: str, change: Change) -> None:
        """Append a step to a registered version, unless its last one has the same state and reason.

        So many workers may tell of the same thing. Of a version that is not known nothing is kept.
        """

    def entries(self) -> list[Entry]:
        """All versions in order of their names, which is that of their making."""

    def note_job(self, run: JobRun) -> None:
        """Insert or replace a run by its key."""

    def jobs(self, limit: int = 50) -> list[JobRun]:
        """The latest runs, the last begun first."""


class MemoryLedger:
    """`Ledger` in memory."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._jobs: dict[str, JobRun] = {}

    def register(self, entry: Entry) -> None:
        """See `Ledger.register`."""
        self._entries.setdefault(entry.version, entry)

    def add(self, version: str, change: Change) -> None:
        """See `Ledger.add`."""
        known = self._entries.get(version)
        if known is None:
            return
        last = known.last
        if last is None or (last.state, last.reason) != (change.state, change.reason):
            self._entries[version] = replace(known, changes=(*known.changes, change))

    def entries(self) -> list[Entry]:
        """See `Ledger.entries`."""
        return [self._entries[name] for name in sorted(self._entries)]

    def note_job(self, run: JobRun) -> None:
        """See `Ledger.note_job`."""
        self._jobs[run.key] = run

    def jobs(self, limit: int = 50) -> list[JobRun]:
        """See `Ledger.jobs`."""
        return sorted(self._jobs.values(), key=lambda run: run.begun, reverse=True)[:limit]
