"""Real processes that embed one catalogue together: nothing twice, and nothing lost with one that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pymongo
import pytest

from catalog.records import Item, ItemId
from embeddings.hashing import HashingTextEncoder
from embeddings.job import content_vectors, embed, select
from embeddings.mongo import MongoEmbeddingStore
from tests.embeddings.test_job import Counting, PowerCut
from tests.patience import PATIENCE

pytestmark = pytest.mark.mongo
ITEMS, BATCH = 160, 8
CODE = """
import sys, time
import pymongo
from embeddings.job import embed
from embeddings.mongo import MongoEmbeddingStore
from tests.embeddings.test_sharing import BATCH, catalogue
from tests.embeddings.test_job import Counting

class Slow(Counting):
    def encode(self, items):
        print("took", *(item.item_id for item in items), flush=True)
        time.sleep(float(sys.argv[3]))
        return super().encode(items)

with pymongo.MongoClient(sys.argv[1]) as client:
    store = MongoEmbeddingStore(client[sys.argv[2]])
    print("ready", flush=True)
    sys.stdin.readline()
    report = embed(catalogue(), Slow(), store, BATCH, claim_seconds=float(sys.argv[4]))
    print("done", report.encoded, report.reused, report.items)
"""


def catalogue() -> list[Item]:
    return [Item(ItemId(str(n)), f"title {n}", "word " * (n % 5)) for n in range(ITEMS)]


def start(uri: str, database: str, seconds_a_batch: float, claim_seconds: float) -> subprocess.Popen[str]:
    """A process that has opened the store and waits for a line to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, uri, database, str(seconds_a_batch), str(claim_seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def taken(output: str) -> list[str]:
    """Ids of the items that a process encoded, by what it printed."""
    return [name for line in output.splitlines() if line.startswith("took") for name in line.split()[1:]]


def check_vectors(uri: str, database: str) -> None:
    """Every item has the vector that its content should have."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        store = MongoEmbeddingStore(client[database])
        select(store, "text", HashingTextEncoder())
        found = content_vectors(catalogue(), "text", store)
        assert client[database]["embeddings"].count_documents({"owner": {"$exists": True}}) == 0
    assert found.mask.all()
    np.testing.assert_array_equal(found.vectors, HashingTextEncoder().encode(catalogue())[0])


def test_two_processes_share_the_work(mongo_uri: str, mongo_database: str) -> None:
    processes = [start(mongo_uri, mongo_database, 0.2, 2 * PATIENCE) for _ in range(2)]
    for process in processes:
        go(process)
    outputs = [process.communicate(timeout=2 * PATIENCE) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    shares = [taken(output) for output, _ in outputs]
    assert sorted(shares[0] + shares[1], key=int) == [str(n) for n in range(ITEMS)], "each item once"
    assert min(map(len, shares)) >= ITEMS // 5, "both had a fair part of it"
    for (output, _), share in zip(outputs, shares, strict=True):
        assert output.splitlines()[-1] == f"done {len(share)} {ITEMS - len(share)} {ITEMS}"
    check_vectors(mongo_uri, mongo_database)


def test_what_a_killed_process_had_in_hand_is_taken_over(mongo_uri: str, mongo_database: str) -> None:
    # The heir comes past what the dead one holds while that still counts, and again when it does not.
    doomed, heir = (start(mongo_uri, mongo_database, seconds, 6.0) for seconds in (0.5, 0.01))
    go(doomed)
    assert doomed.stdout is not None
    lost = [taken(doomed.stdout.readline()) for _ in range(2)][-1]  # it has begun its second batch
    doomed.send_signal(signal.SIGKILL)
    rest, _ = doomed.communicate()
    assert doomed.returncode == -signal.SIGKILL
    assert taken(rest) == []
    go(heir)
    output, errors = heir.communicate(timeout=2 * PATIENCE)
    assert heir.returncode == 0, errors
    inherited = taken(output)
    assert len(inherited) == len(set(inherited)) == ITEMS - BATCH, "all but the batch that was finished"
    assert set(lost) <= set(inherited[-2 * BATCH :]), "once their claim had run out"
    check_vectors(mongo_uri, mongo_database)


def test_an_error_gives_back_what_was_in_hand(mongo_uri: str, mongo_database: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
        store = MongoEmbeddingStore(client[mongo_database])
        with pytest.raises(PowerCut):
            embed(catalogue(), Counting(die_after=3), store, BATCH)
        report = embed(catalogue(), Counting(), store, BATCH, claim_seconds=600)
    assert (report.encoded, report.reused) == (ITEMS - 3 * BATCH, 3 * BATCH)
    check_vectors(mongo_uri, mongo_database)
