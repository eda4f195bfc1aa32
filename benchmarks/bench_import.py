"""How fast do a million events get into MongoDB, corrupted rows among them, beside a bare `insert_many`?

    python -m benchmarks.bench_import                    1,000,000 events of the simulated shop, 1,000 corrupted rows
    python -m benchmarks.bench_import --events 100000 --rounds 3

The events are written to a CSV file with the corrupted rows at random places, and imported as a user does it, in a
process of its own: every row is read, checked and written, every bad one reported and set aside. Then the very same
documents, ready-made in memory, are given to `insert_many` in batches of the same size: into a collection with the
same indexes and the same durability, and into one without any. Several rounds in turn, on one server. The last
line is one JSON object; the exit code says whether all good rows got in and all bad ones were told.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import pymongo

from catalog.declaration import parse
from catalog.documents import event_to_document
from catalog.files import FileDataset
from catalog.importer import BATCH, import_dataset
from catalog.mongo import DURABLE, INDEXES, MongoStore
from catalog.mongod import open_server
from catalog.records import Interaction, Item, User
from catalog.simulated.dataset import SimulatedDataset
from catalog.simulated.world import Size
from catalog.tables import Location

DECLARATION = """
name = "million"
[types]
view = { weight = 0.3 }
like = {}
rating = { value = true, minimum = 1, maximum = 5, positive_from = 4 }
dismiss = { weight = 0, polarity = "negative" }
[items]
file = "items.csv"
id = "id"
title = "title"
text = "text"
features.category = { kind = "categorical", column = "category" }
features.price = { kind = "numeric", column = "price" }
[users]
file = "users.csv"
id = "id"
features.age = { kind = "numeric", column = "age" }
[[events]]
file = "events.csv"
user = "user"
item = "item"
type_column = "type"
value = "value"
timestamp = "time"
"""
IMPORT = "import sys; from benchmarks.bench_import import import_here; import_here(*sys.argv[1:])"
CORRUPTIONS = {
    "cells": lambda cells: ",".join(cells[:3]).encode(),
    "encoding": lambda cells: ",".join(cells).encode().replace(b",", b",\xff", 1),
    "id": lambda cells: ",".join(["", *cells[1:]]).encode(),
    "unknown user": lambda cells: ",".join(["nobody", *cells[1:]]).encode(),
    "unknown item": lambda cells: ",".join([cells[0], "nothing", *cells[2:]]).encode(),
    "type": lambda cells: ",".join([*cells[:2], "gaze", *cells[3:]]).encode(),
    "bounds": lambda cells: ",".join([*cells[:2], "rating", "11", cells[4]]).encode(),
    "time": lambda cells: ",".join([*cells[:4], "yesterday"]).encode(),
}
"""How a good row becomes a bad one, by the kind of problem that it then is."""


@dataclass(frozen=True)
class Written:
    """What lies in the folder."""

    events: int
    corrupted: Counter[str]


def write(folder: Path, size: Size, corrupted: int, seed: int = 5) -> Written:
    """The simulated shop as CSV files, with corrupted rows among the events."""
    shop = SimulatedDataset(size, folder)
    shop.check()
    items, users, events = shop.parts()
    with (folder / "items.csv").open("w") as file:
        file.write("id,title,text,category,price\n")
        for item in items.rows():
            assert isinstance(item, Item)
            cells = (
                item.item_id,
                item.title,
                f'"{item.text}"',
                item.features["category"],
                item.features["price"],
            )
            file.write(",".join(map(str, cells)) + "\n")
    with (folder / "users.csv").open("w") as file:
        file.write("id,age\n")
        for user in users.rows():
            assert isinstance(user, User)
            file.write(f"{user.user_id},{user.features['age']}\n")
    rng, kinds = random.Random(seed), Counter[str]()
    places = Counter(rng.randrange(size.events) for _ in range(corrupted))
    with (folder / "events.csv").open("wb") as file:
        file.write(b"user,item,type,value,time\n")
        for number, event in enumerate(events.rows()):
            assert isinstance(event, Interaction)
            value = "" if event.value is None else f"{event.value:g}"
            cells = [event.user_id, event.item_id, event.type, value, f"{event.timestamp:.0f}"]
            file.write(",".join(cells).encode() + b"\n")
            for _ in range(places[number]):
                kind = rng.choice(list(CORRUPTIONS))
                kinds[kind] += 1
                file.write(CORRUPTIONS[kind](cells) + b"\n")
    return Written(size.events, kinds)


def opened(folder: Path) -> FileDataset:
    """The files as a data set."""
    return FileDataset(parse(DECLARATION, "the benchmark's declaration"), Location(folder, folder.parent))


def import_here(folder: str, uri: str, database: str) -> None:
    """What the process of its own does; prints a report as JSON."""
    with MongoStore.open(uri, database) as store:
        began = time.perf_counter()
        report = import_dataset(opened(Path(folder)), store)
        seconds = time.perf_counter() - began
        kinds: Counter[str] = Counter()
        for problem in report.problems:
            kinds[problem.kind] += problem.count
        quarantined = Counter(bad.kind for bad in store.quarantined())
    events = next(file for file in report.files if file.entity == "interactions")
    print(json.dumps({
        "seconds": seconds, "event_seconds": events.seconds, "inserted": events.inserted, "told": kinds,
        "quarantined": quarantined, "stored": report.counts.interactions,
        "peak_mb": peak_mb(),
    }))  # fmt: skip


def peak_mb() -> float:
    """The most memory that this process held. Not getrusage: that remembers the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def imported(folder: Path, uri: str, database: str) -> dict[str, Any]:
    """Import in a process of its own, into a database that is then dropped."""
    command = [sys.executable, "-c", IMPORT, str(folder), uri, database]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    drop(uri, database)
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def bare(folder: Path, uri: str, database: str, durable: bool) -> float:
    """Seconds that `insert_many` takes for the same documents; making them is not counted."""
    seconds = 0.0
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        concern = DURABLE if durable else None
        events = client.get_database(database, write_concern=concern)["interactions"]
        if durable:
            events.create_indexes(list(INDEXES))
        for batch in batches(folder):
            began = time.perf_counter()
            events.insert_many(batch, ordered=False)
            seconds += time.perf_counter() - began
    drop(uri, database)
    return seconds


def batches(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The documents of all good events, in batches as the importer makes them."""
    users, items = (
        {str(getattr(row, name)) for row in opened(folder).parts()[part].rows()}
        for part, name in ((1, "user_id"), (0, "item_id"))
    )
    good = (
        event_to_document(row)
        for row in opened(folder).parts()[2].rows()
        if isinstance(row, Interaction) and row.user_id in users and row.item_id in items
    )
    while batch := list(islice(good, BATCH)):
        yield batch


def drop(uri: str, database: str) -> None:
    """Leave nothing behind."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(database)


def main() -> int:
    """Run, print, and say whether all was right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--corrupted", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    size = Size(items=20_000, users=20_000, events=arguments.events, pictures=0)
    with (
        tempfile.TemporaryDirectory(prefix="bench-import-") as scratch,
        open_server(Path(scratch) / "server") as uri,
    ):
        folder = Path(scratch) / "million"
        folder.mkdir()
        written = write(folder, size, arguments.corrupted)
        print(
            f"{written.events:,} events and {written.corrupted.total():,} corrupted rows are written",
            flush=True,
        )
        rounds = []
        for number in range(arguments.rounds):
            report = imported(folder, uri, "bench_import")
            same, plain = (bare(folder, uri, "bench_bare", durable) for durable in (True, False))
            rounds.append((report, same, plain))
            rate, peak = written.events / report["event_seconds"], report["peak_mb"]
            print(
                f"round {number + 1}: import {rate:,.0f}/s (peak {peak:.0f} MB), insert_many with the same indexes "
                f"and durability {written.events / same:,.0f}/s, without any {written.events / plain:,.0f}/s",
                flush=True,
            )
    reports = [report for report, _, _ in rounds]
    is_whole = all(
        report["inserted"] == report["stored"] == written.events
        and Counter(report["told"]) == Counter(report["quarantined"]) == written.corrupted
        for report in reports
    )
    print(json.dumps({
        "events": written.events, "corrupted": written.corrupted, "all_good_in_and_all_bad_told": is_whole,
        "import_per_second": median(written.events / report["event_seconds"] for report in reports),
        "share_of_bare": median(same / report["event_seconds"] for report, same, _ in rounds),
        "share_of_bare_without_indexes": median(plain / report["event_seconds"] for report, _, plain in rounds),
        "peak_mb": max(report["peak_mb"] for report in reports),
    }))  # fmt: skip
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
