"""What every ledger promises, in memory and in MongoDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog.errors import StoreError
from catalog.ledger import Change, Entry, JobRun, Ledger, MemoryLedger
from catalog.mongo_ledger import MongoLedger

A, B = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb"
BUILT = Change(1000.0, "candidate", "cli", "built from a run")
SERVING = Change(2000.5, "serving", "http")


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.mongo)])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
    with MongoLedger.open(uri, database, 5000) as ledger:
        yield ledger


def test_an_empty_ledger_has_nothing_to_tell(ledger: Ledger) -> None:
    assert (ledger.entries(), ledger.jobs()) == ([], [])


def test_versions_come_in_order_with_their_stories(ledger: Ledger) -> None:
    ledger.register(Entry(B, "tiny", 900.25, {"validation": {"retrieval": {"ndcg@10": 0.1}}}))
    ledger.register(Entry(A, "tiny", 800.0, {}, (BUILT,)))
    ledger.add(A, SERVING)
    ledger.add("20260103-000000-cccccc", SERVING)
    first, second = ledger.entries()
    assert first == Entry(A, "tiny", 800.0, {}, (BUILT, SERVING))
    assert second == Entry(B, "tiny", 900.25, {"validation": {"retrieval": {"ndcg@10": 0.1}}}, ())
    assert (first.last, second.last) == (SERVING, None)


def test_a_version_that_is_known_is_not_entered_again(ledger: Ledger) -> None:
    ledger.register(Entry(A, "tiny", 800.0, {"a": 1}, (BUILT,)))
    ledger.add(A, SERVING)
    ledger.register(Entry(A, "other", 1.0, {}, ()))
    assert ledger.entries() == [Entry(A, "tiny", 800.0, {"a": 1}, (BUILT, SERVING))]


def test_what_many_workers_tell_is_kept_once(ledger: Ledger) -> None:
    ledger.register(Entry(A, "tiny", 800.0))
    for at in (1.0, 2.0, 3.0):
        ledger.add(A, Change(at, "refused", "worker", "vectors.npy was changed"))
    ledger.add(A, Change(4.0, "refused", "worker", "probes drift"))
    assert [change.at for change in ledger.entries()[0].changes] == [1.0, 4.0]


def test_the_latest_runs_of_jobs_come_first(ledger: Ledger) -> None:
    ledger.note_job(JobRun("x", "retrain", 10.0))
    ledger.note_job(JobRun("y", "trending", 20.0, 21.5, "failed", "no MongoDB"))
    ledger.note_job(JobRun("x", "retrain", 10.0, 15.0, "done", "promoted"))
    assert ledger.jobs() == [
        JobRun("y", "trending", 20.0, 21.5, "failed", "no MongoDB"),
        JobRun("x", "retrain", 10.0, 15.0, "done", "promoted"),
    ]
    assert [run.key for run in ledger.jobs(limit=1)] == ["y"]


def test_a_database_that_is_away_is_a_store_error() -> None:
    with MongoLedger.open("mongodb://127.0.0.1:1/?directConnection=true", "x", 50) as ledger:
        with pytest.raises(StoreError, match="reading the models"):
            ledger.entries()
        with pytest.raises(StoreError, match=A):
            ledger.register(Entry(A, "tiny", 1.0))
