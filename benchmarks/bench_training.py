"""How many examples a second do the towers learn from, beside the loop of the TFRS retrieval tutorial?

    python -m benchmarks.bench_training                          a catalogue of MovieLens-100k's size
    python -m benchmarks.bench_training --items 5000 --users 3000 --events 500000 --rounds 5 --threads 2

An example is one event that is asked for, given all events before it that the user tower reads. Three loops train on
the same events with batches of the same number of examples, in turn, in several rounds, so that a machine that slows
down slows all of them:

- *windows* is ours: a batch holds windows of events, the user tower is causal, and one pass over a window asks for
  the next item at each of its positions;
- *tutorial, same towers* is the loop of the TFRS retrieval tutorial (`model.fit` over a cached `tf.data` pipeline of
  query and item, `tfrs.tasks.Retrieval`) around the very same user tower and item tower. There every example
  is a row of its own, so it carries its own history; the item vectors of a batch's histories are computed once per
  distinct item, as ours are, which the tutorial would not do;
- *tutorial, user ids* is the tutorial as it stands: a user tower that is nothing but an embedding of the user id,
  and the same item tower. It reads no history, so it does a fraction of the work; it shows the price of reading.

All use Adam and the processor alone. The first steps, in which TensorFlow traces, are not counted. Beside the rate on
the clock stands the rate per second of processor time, which depends less on who else uses the machine. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

PACKAGES = ("tensorflow", "tensorflow-recommenders", "tf-keras", "numpy")


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a loop was in one round."""

    examples: int
    seconds: float
    processor: float

    @property
    def per_second(self) -> float:
        """Examples a second."""
        return self.examples / self.seconds

    @property
    def per_processor_second(self) -> float:
        """Examples a second of processor time, over all threads."""
        return self.examples / self.processor


def timed(work: Callable[[], int]) -> Rate:
    """Time a function that returns how many examples it learned from."""
    began, processor = time.perf_counter(), time.process_time()
    examples = work()
    return Rate(examples, time.perf_counter() - began, time.process_time() - processor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all loops and print what they did."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_700)
    parser.add_argument("--users", type=int, default=950)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="that TensorFlow computes with")
    asked = parser.parse_args(arguments)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(asked.threads)
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

    from benchmarks.training_loops import by_windows, catalogue, tutorial_same_towers, tutorial_user_ids

    with tempfile.TemporaryDirectory() as folder:
        data = catalogue(asked.items, asked.users, asked.events, Path(folder))
    ours, batch = by_windows(data)
    loops: Mapping[str, Callable[[], int]] = {
        "windows": ours,
        "tutorial, same towers": tutorial_same_towers(data, batch),
        "tutorial, user ids": tutorial_user_ids(data, batch),
    }
    for loop in loops.values():
        loop()
    rates: dict[str, list[Rate]] = {name: [] for name in loops}
    for _ in range(asked.rounds):
        for name, loop in loops.items():
            rates[name].append(timed(loop))
    report(rates, batch, asked)


def report(rates: Mapping[str, Sequence[Rate]], batch: int, asked: argparse.Namespace) -> None:
    """Print the table and the JSON line."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {asked.threads} used; {packages}"
    )
    print(
        f"{asked.items:,} items, {asked.users:,} users, {asked.events:,} events; {batch:,} examples a batch\n"
    )
    print(
        f"{'loop':24} {'examples/s':>12} {'least':>10} {'most':>10} {'per CPU-second':>16} {'windows/loop':>14}"
    )
    ours = median(rate.per_processor_second for rate in rates["windows"])
    found: dict[str, Any] = {"benchmark": "training", "batch": batch, "threads": asked.threads, "loops": {}}
    for name, each in rates.items():
        clock = [rate.per_second for rate in each]
        processor = median(rate.per_processor_second for rate in each)
        print(
            f"{name:24} {median(clock):12,.0f} {min(clock):10,.0f} {max(clock):10,.0f} {processor:16,.0f} "
            f"{ours / processor:14.2f}"
        )
        found["loops"][name] = {
            "examples_per_second": round(median(clock)), "per_processor_second": round(processor),
        }  # fmt: skip
    clocks = {name: median(rate.per_second for rate in each) for name, each in rates.items()}
    found["times_the_tutorial"] = round(clocks["windows"] / clocks["tutorial, same towers"], 2)
    print()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
