"""The ledger in MongoDB: one document per version in `bundles`, one per run of a job in `jobs`.

Synchronous, for commands and jobs; serving, which asks it only when an administrator does, calls it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Self

from pymongo.database import Database

from catalog.documents import Document
from catalog.ledger import Change, Entry, JobRun
from catalog.mongo import DURABLE, connect, store_errors


class MongoLedger:
    """`catalog.ledger.Ledger` on one MongoDB database."""

    def __init__(self, database: Database[Document]) -> None:
        self._bundles = database.get_collection("bundles", write_concern=DURABLE)
        self._jobs = database.get_collection("jobs", write_concern=DURABLE)

    @classmethod
    @contextmanager
    def open(cls, uri: str, database: str, selection_timeout_ms: int) -> Iterator[Self]:
        """A ledger on a connection of its own while the context is open; it connects with its first question."""
        with connect(uri, database, selection_timeout_ms) as client:
            yield cls(client.get_database(database))

    def register(self, entry: Entry) -> None:
        """See `Ledger.register`."""
        last = entry.last
        document = {
            "dataset": entry.dataset, "created": _moment(entry.created), "metrics": dict(entry.metrics),
            "state": last.state if last else None, "reason": last.reason if last else None,
            "changes": [_change_document(change) for change in entry.changes],
        }  # fmt: skip
        with store_errors(f"registering model {entry.version}"):
            self._bundles.update_one({"_id": entry.version}, {"$setOnInsert": document}, upsert=True)

    def add(self, version: str, change: Change) -> None:
        """See `Ledger.add`."""
        update = {
            "$push": {"changes": _change_document(change)},
            "$set": {"state": change.state, "reason": change.reason},
        }
        news = {"_id": version, "$nor": [{"state": change.state, "reason": change.reason}]}
        with store_errors(f"noting what became of model {version}"):
            self._bundles.update_one(news, update)

    def entries(self) -> list[Entry]:
        """See `Ledger.entries`."""
        with store_errors("reading the models"):
            return [_entry(document) for document in self._bundles.find().sort("_id", 1)]

    def note_job(self, run: JobRun) -> None:
        """See `Ledger.note_job`."""
        document = {name: value for name, value in asdict(run).items() if name != "key"}
        document |= {"begun": _moment(run.begun), "ended": None if run.ended is None else _moment(run.ended)}
        with store_errors(f"noting a run of {run.job}"):
            self._jobs.replace_one({"_id": run.key}, document, upsert=True)

    def jobs(self, limit: int = 50) -> list[JobRun]:
        """See `Ledger.jobs`."""
        with store_errors("reading the runs of jobs"):
            found = list(self._jobs.find().sort("begun", -1).limit(limit))
        return [
            JobRun(
                each["_id"], each["job"], _seconds(each["begun"]),
                None if each["ended"] is None else _seconds(each["ended"]), each["outcome"], each["detail"],
            )
            for each in found
        ]  # fmt: skip


def _change_document(change: Change) -> Document:
    return {**asdict(change), "at": _moment(change.at)}


def _entry(document: Mapping[str, Any]) -> Entry:
    changes = tuple(
        Change(_seconds(each["at"]), each["state"], each["by"], each["reason"])
        for each in document["changes"]
    )
    return Entry(
        document["_id"], document["dataset"], _seconds(document["created"]), document["metrics"], changes
    )


def _moment(seconds: float) -> datetime:
    """Dates, which people can read in a shell; MongoDB keeps milliseconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()
