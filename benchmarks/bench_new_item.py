"""How long from `POST /v1/items` until a new item is in answers, while others read?

    python -m benchmarks.bench_new_item               a small made-up catalogue, encoders without weights
    python -m benchmarks.bench_new_item --home .towerbridge --dataset movielens-100k
    python -m benchmarks.bench_new_item --items 100 --rate 200 --workers 2

Each new item is a copy of an item of the catalogue under an id of its own, with a new title, so that its text is
encoded. Its matching user is one to whom the service recommends the original and, when that was tried before, a copy
of it too: nobody has taken the copy, and not everybody who would get the one gets the other (`matching` tells how
many). After the post, `/similar` of the original, by text and picture, and that user's recommendations are asked for
over fresh connections, so that all workers take turns, until the item is there: `first` is the first answer that has
it, `everywhere` the first of twelve in a row. Meanwhile another process reads recommendations at a steady rate; none
of its requests may fail. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import numpy as np

from benchmarks.bench_serving import SERVE, free_port, server
from benchmarks.load import Load, measure
from catalog.mongo import MongoStore, database_name
from catalog.mongod import open_server
from catalog.records import Item
from embeddings.content import image_bytes

IN_A_ROW = 12
"""Answers over fresh connections that have the item, after which all workers are believed to."""
MOST_PAIRS = 20
"""Of users and items that are looked for beforehand; the copies take turns among them."""
AIM_SECONDS = 1.0
TRIAL_SECONDS = 1.0
"""For a copy to be recommended, where it is tried beforehand."""
GIVE_UP_SECONDS = 30.0
"""For an item to be in answers, and for an answer."""


def ask(port: int, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The JSON of an answer, over a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]!r}"
        return json.loads(text)
    finally:
        connection.close()


def ids(port: int, path: str) -> list[str]:
    """The ids of a list."""
    return [item["item_id"] for item in ask(port, "GET", path)["items"]]


def lists_of(user: str, original: Item) -> dict[str, str]:
    """Where a copy of an item is looked for."""
    return {
        "similar": f"/v1/items/{quote(original.item_id, safe='')}/similar?limit=50&w_text=1&w_image=1",
        "recommended": f"/v1/users/{quote(user, safe='')}/recommendations?limit=200",
    }


def copied(port: int, original: Item, name: str) -> Any:
    """Post a copy of an item under another id and title; what the service answers."""
    title = f"{original.title} {name.rpartition('-')[2]}"
    features = {
        key: list(value) if isinstance(value, tuple) else value for key, value in original.features.items()
    }
    body = {"item_id": name, "title": title, "text": original.text, "features": features}
    if original.image:
        body["image"] = f"data:;base64,{b64encode(image_bytes(original.image)).decode()}"
    return ask(port, "POST", "/v1/items", body)


def matches(
    port: int, users: Sequence[str], items: Mapping[str, Item], wanted: int
) -> tuple[list[tuple[str, Item]], int]:
    """Users, each with an item that is recommended to them, as would be a copy of it; and how many were tried."""
    found, tried = [], 0
    for user in users:
        for name in ids(port, f"/v1/users/{quote(user, safe='')}/recommendations?limit=5")[:2]:
            tried += 1
            trial = f"trial-{os.getpid()}-{tried}"
            copied(port, items[name], trial)
            until = time.perf_counter() + TRIAL_SECONDS
            lists, there = lists_of(user, items[name]).values(), False
            while not there and time.perf_counter() < until:
                there = all(trial in ids(port, path) for path in lists)
            if there:
                found.append((user, items[name]))
            ask(port, "DELETE", f"/v1/items/{trial}")
        if len(found) >= wanted:
            break
    return found[:wanted], tried


def until_there(port: int, paths: Mapping[str, str], name: str, began: float) -> dict[str, float]:
    """Seconds from `began` until each of the lists had an item first, and in every answer from then on."""
    took: dict[str, float] = {}
    in_a_row = dict.fromkeys(paths, 0)
    while min(in_a_row.values()) < IN_A_ROW:
        seconds = time.perf_counter() - began
        assert seconds < GIVE_UP_SECONDS, f"{name} is not in {paths} after {seconds:.0f} s"
        for what, path in paths.items():
            there = name in ids(port, path)
            seconds = time.perf_counter() - began
            if there:
                took.setdefault(f"{what}, first", seconds)
            if there and not in_a_row[what]:
                took[f"{what}, everywhere"] = seconds
            in_a_row[what] = in_a_row[what] + 1 if there else 0
    return took


def post(port: int, user: str, original: Item, number: int) -> dict[str, float]:
    """Seconds until one new item was stored, and until it was in answers."""
    name, lists = f"new-{os.getpid()}-{number}", lists_of(user, original)
    began = time.perf_counter()
    answer = copied(port, original, name)
    assert answer["created"], answer
    took = {"stored": time.perf_counter() - began}
    took |= until_there(port, lists, name, began)
    took["rank"] = ids(port, lists["recommended"]).index(name) + 1
    ask(port, "DELETE", f"/v1/items/{name}")  # the next copy must not crowd it out
    return took


@contextmanager
def made_up(folder: Path, uri: str) -> Iterator[tuple[Path, str]]:
    """A small catalogue with texts and pictures, and users of known taste: the bundle and the data set's name."""
    from catalog.records import Interaction, ItemId, UserId
    from tests.bundle import senses

    bundle = senses.make_sensing_bundle(folder / "bundles")
    with MongoStore.open(uri, database_name(senses.SCHEMA.name)) as store:
        store.save_schema(senses.SCHEMA)
        store.put_items([senses.item(row) for row in range(senses.N)])
        store.put_users(senses.USERS)
        store.put_interactions([
            Interaction(UserId(f"u{user}"), ItemId(f"i{row}"), "click", float(row))
            for user in range(4) for row in range(user, 16, 4)
        ])  # fmt: skip
    yield bundle, senses.SCHEMA.name


def percentiles(taken: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Median, p99 and the worst, in milliseconds, by what was waited for."""
    return {
        name: {
            "p50_ms": round(float(np.percentile(each, 50)) * 1000, 1),
            "p99_ms": round(float(np.percentile(each, 99)) * 1000, 1),
            "max_ms": round(max(each) * 1000, 1),
        }
        for name in taken[0]
        if name != "rank" and (each := [one[name] for one in taken])
    }  # fmt: skip


def run(
    port: int, users: Sequence[str], items: Mapping[str, Item], count: int, rate: float
) -> dict[str, Any]:
    """Post items one after the other while reads go on at a rate per second."""
    pairs, tried = matches(port, users, items, min(count, MOST_PAIRS))
    assert pairs, "expected users with recommendations"
    paths = [f"/v1/users/{quote(user, safe='')}/recommendations" for user in users]
    loads: list[Load] = []
    done = False

    def read() -> None:
        while not done:
            loads.append(measure(port, paths, 5.0, 16, rate=rate))

    reader = Thread(target=read)
    reader.start()
    time.sleep(1)
    try:
        taken = [post(port, *pairs[number % len(pairs)], number) for number in range(count)]
    finally:
        done = True
        reader.join()
    seconds = sum(load.seconds for load in loads)
    return {
        "items": len(taken), "matching": {"pairs": len(pairs), "tried": tried}, **percentiles(taken),
        "rank": {"median": float(np.median([one["rank"] for one in taken]))},
        "reads": {
            "per_second": round(sum(load.requests for load in loads) / seconds, 1),
            "failed": sum(load.errors for load in loads),
            "p99_ms": round(max(load.p99_ms for load in loads), 1),
        },
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, run, print the table and the JSON line; exit code 1 where the aim is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="a workspace with a promoted model and its database")
    parser.add_argument("--dataset")
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--rate", type=float, default=200.0, help="reads per second meanwhile")
    parser.add_argument("--workers", type=int, default=2)
    flags = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uri = stack.enter_context(open_server(flags.home or folder))
        port = free_port()
        environment = {"TOWERBRIDGE_HOME": str(flags.home or folder)}
        dataset = flags.dataset
        if flags.home is None:
            bundle, dataset = stack.enter_context(made_up(folder, uri))
            environment["TOWERBRIDGE_SERVE_BUNDLE"] = str(bundle)
        with MongoStore.open(uri, database_name(dataset)) as store:
            users = [user.user_id for user in store.users()][:500]
            items = {str(item.item_id): item for item in store.items()}
        environment |= {
            "TOWERBRIDGE_DATASET": dataset, "TOWERBRIDGE_MONGODB_URI": uri,
            "TOWERBRIDGE_SERVE_PORT": str(port), "TOWERBRIDGE_SERVE_WORKERS": str(flags.workers),
        }  # fmt: skip
        stack.enter_context(server([sys.executable, "-c", SERVE], port, "/health/ready", environment))
        found = run(port, users, items, flags.items, flags.rate)
    for name, row in found.items():
        if isinstance(row, dict):
            print(
                f"{name:26}"
                + "".join(f"{key.replace('_', ' '):>14} {value:<10}" for key, value in row.items())
            )
    names = ("similar, everywhere", "recommended, everywhere")
    met = all(found[name]["p99_ms"] <= AIM_SECONDS * 1000 for name in names) and not found["reads"]["failed"]
    more = {
        "workers": flags.workers,
        "dataset": dataset,
        "load_average": round(os.getloadavg()[0], 1),
        "met": met,
    }
    print(json.dumps({"benchmark": "new_item", **found, **more}))
    sys.exit(not met)


if __name__ == "__main__":
    main()
