"""Does the retailer's service keep within 512 MB and 12 ms: `POST /recommend` at 16 connections?

    python -m benchmarks.bench_retailer --home .towerbridge
    python -m benchmarks.bench_retailer --home .towerbridge --dataset retailrocket --seconds 10 --k 10

One worker serves the promoted model of the workspace from a real mongod; every request is for a random user of the
data set. Memory is the largest that was resident, before and under load, of the process that serves. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.bench_serving import SERVE, free_port, processor_seconds, server
from benchmarks.load import generator, measure
from catalog.mongo import MongoStore, database_name
from catalog.mongod import open_server

MEMORY_MB, P95_MS = 512, 12


def peak_mb(pid: int) -> float:
    """The largest resident memory of a process so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    assert found is not None, f"no VmHWM in /proc/{pid}/status"
    return int(found[1]) / 1024


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, run, print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, required=True, help="a workspace with a promoted model")
    parser.add_argument("--dataset", default="retailrocket")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--k", type=int, default=10)
    flags = parser.parse_args(argv)
    with ExitStack() as stack:
        uri = stack.enter_context(open_server(flags.home))
        with MongoStore.open(uri, database_name(flags.dataset)) as store:
            users = [user.user_id for user in store.users()]
        asked = ["/recommend\t" + json.dumps({"user_id": user, "k": flags.k}) for user in users]
        port = free_port()
        environment = {
            "TOWERBRIDGE_HOME": str(flags.home), "TOWERBRIDGE_DATASET": flags.dataset,
            "TOWERBRIDGE_MONGODB_URI": uri, "TOWERBRIDGE_SERVE_PORT": str(port),
        }  # fmt: skip
        pid, ready = stack.enter_context(
            server([sys.executable, "-c", SERVE], port, "/health/ready", environment)
        )
        measure(port, asked, 1, flags.connections)  # warm
        before = processor_seconds(pid)
        load = measure(port, asked, flags.seconds, flags.connections)
        spent = (processor_seconds(pid) - before) * 1000 / load.requests
        memory = peak_mb(pid)
    print(f"{platform.platform()} · {os.cpu_count()} cores · {generator()} · {len(users)} users")
    print(f"resident at most {memory:.0f} MB of {MEMORY_MB}")
    print(
        f"POST /recommend, {flags.connections} connections: {load.per_second:.0f}/s, p50 {load.p50_ms:.1f} ms, "
        f"p95 {load.p95_ms:.1f} ms of {P95_MS}, p99 {load.p99_ms:.1f} ms, {spent:.2f} ms of processor time each, "
        f"{load.errors} errors; load average {os.getloadavg()[0]:.1f}"
    )
    print(json.dumps({
        "benchmark": "retailer", **asdict(load), "cpu_ms": round(spent, 3), "resident_mb": round(memory, 1),
        "ready_seconds": round(ready, 2), "load_average": round(os.getloadavg()[0], 1),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
