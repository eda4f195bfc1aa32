"""How fast is a recommendation, beside an endpoint that does nothing but return the same bytes?

    python -m benchmarks.bench_serving               a model of MovieLens-100k's size with random weights
    python -m benchmarks.bench_serving --home .towerbridge --dataset movielens-100k
    python -m benchmarks.bench_serving --home … --dataset … --bundle PATH --seconds 20

Every request is `GET /v1/users/{id}/recommendations` for a random user with a real history, which is read from a
real mongod each time; 500 candidates are ranked. The empty server has two endpoints with the same bytes: one returns
an object, which FastAPI serialises as it does for most services, the other the finished bytes; the latter is also
run with uvicorn's default options, which write a line of log per request. All have one uvicorn worker and are loaded
in turn, in several rounds, so that a machine that slows down slows all. Beside the rates stands the processor time
that a server spent per answer, which depends less on who else uses the machine. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from urllib.parse import quote

import numpy as np

from benchmarks.load import generator, measure
from benchmarks.sample import SCHEMA, sample_events, sample_users, write_sample
from catalog.mongo import MongoStore, database_name
from catalog.mongod import open_server

PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "faiss-cpu", "numpy", "pymongo", "orjson")
SERVE = "from serving.app import serve; from serving.settings import Settings; serve(Settings())"
RUN = "import sys, uvicorn; uvicorn.run('benchmarks.empty:create_app', factory=True, port=int(sys.argv[1])"
EMPTY = f"{RUN}, access_log=False, log_level='warning', server_header=False, proxy_headers=False)"
DEFAULTS = f"{RUN})"
"""As `uvicorn module:app` runs it, with a line of log per request, here to nowhere."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(
    command: Sequence[str], port: int, path: str, environment: dict[str, str]
) -> Iterator[tuple[int, float]]:
    """A server in a process of its own while the context is open: its pid, and seconds until it was ready."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        while True:
            assert process.poll() is None, f"{command} ended with code {process.returncode}"
            assert time.perf_counter() - started < 120, f"{command} was not ready within two minutes"
            try:
                get(port, path)
                break
            except OSError:  # refused, or 503 as urllib's HTTPError
                time.sleep(0.01)
        yield process.pid, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(30)


def get(port: int, path: str) -> bytes:
    """The body of an answer."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
        return body


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None, f"no VmRSS in /proc/{pid}/status"
    return int(found[1]) / 1024


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Target:
    """A running server and what to ask it."""

    name: str
    pid: int
    port: int
    paths: Sequence[str]

    def loaded(self, seconds: float, connections: int) -> dict[str, float]:
        """Rates, latencies, errors, and the server's processor milliseconds per answer."""
        before = processor_seconds(self.pid)
        load = measure(self.port, self.paths, seconds, connections)
        spent = (processor_seconds(self.pid) - before) * 1000 / load.requests
        return {**asdict(load), "per_second": load.per_second, "cpu_ms": spent}


SHOWN = ("per_second", "p50_ms", "p95_ms", "p99_ms", "cpu_ms")


def report(rounds: Sequence[Mapping[str, Mapping[str, float]]], more: Mapping[str, object]) -> None:
    """Print the table of medians over the rounds, and the JSON line."""
    names = list(rounds[0])
    rows = {
        name: {key: round(median(one[name][key] for one in rounds), 3) for key in SHOWN} for name in names
    }
    print(f"{'':28}" + "".join(f"{key.replace('_', ' '):>12}" for key in SHOWN))
    for name, row in rows.items():
        print(f"{name:28}" + "".join(f"{row[key]:>12.2f}" for key in SHOWN))
    ours = names[0]
    ratios = {
        name: {
            "ratio": round(median(one[ours]["per_second"] / one[name]["per_second"] for one in rounds), 4),
            "by_processor_time": round(rows[name]["cpu_ms"] / rows[ours]["cpu_ms"], 4),
        }
        for name in names[1:]
    }
    for name, ratio in ratios.items():
        print(f"{ours} / {name}: {ratio['ratio']:.3f} (by processor time {ratio['by_processor_time']:.3f})")
    errors = int(sum(row["errors"] for one in rounds for row in one.values()))
    print(
        " · ".join([*(f"{key.replace('_', ' ')} {value}" for key, value in more.items()), f"errors {errors}"])
    )
    print(json.dumps({"benchmark": "serving", **rows, "ratios": ratios, **more, "errors": errors}))


def fill_sample(folder: Path, uri: str) -> tuple[Path, list[str]]:
    """Write the sample bundle and its events; returns the bundle and its users."""
    rng = np.random.default_rng(0)
    bundle = write_sample(folder / "bundles" / SCHEMA.name, rng)
    with MongoStore.open(uri, database_name(SCHEMA.name)) as store:
        store.save_schema(SCHEMA)
        store.put_users(sample_users())
        store.put_interactions(sample_events(rng))
    return bundle, [user.user_id for user in sample_users()]


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, run, print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="a workspace with a promoted model and its database")
    parser.add_argument("--dataset", default=SCHEMA.name)
    parser.add_argument("--bundle", type=Path, help="serve this one instead of the promoted one")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--query", default="", help="of every request, as limit=10&explain=true")
    flags = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uri = stack.enter_context(open_server(flags.home or folder))
        bundle = flags.bundle
        if flags.home is None:
            bundle, users = fill_sample(folder, uri)
        else:
            with MongoStore.open(uri, database_name(flags.dataset)) as store:
                users = [user.user_id for user in store.users()]
        query = f"?{flags.query}" if flags.query else ""
        paths = [f"/v1/users/{quote(user, safe='')}/recommendations{query}" for user in users]
        port = free_port()
        environment = {
            "TOWERBRIDGE_HOME": str(flags.home or folder), "TOWERBRIDGE_DATASET": flags.dataset,
            "TOWERBRIDGE_MONGODB_URI": uri, "TOWERBRIDGE_SERVE_PORT": str(port),
            **({"TOWERBRIDGE_SERVE_BUNDLE": str(bundle)} if bundle else {}),
        }  # fmt: skip
        served = server([sys.executable, "-c", SERVE], port, "/health/ready", environment)
        pid, ready = stack.enter_context(served)
        body = get(port, paths[0])
        assert json.loads(body)["degraded"] is False, f"the service is degraded: {body[:500]!r}"
        (folder / "bytes").write_bytes(body)
        bench, beside = {"BENCH_BYTES": str(folder / "bytes")}, free_port()
        empty, _ = stack.enter_context(
            server([sys.executable, "-c", EMPTY, str(beside)], beside, "/bytes", bench)
        )
        assert get(beside, "/bytes") == get(beside, "/object") == body, (
            "the empty endpoints differ from the answer"
        )
        logging = free_port()
        command = [sys.executable, "-c", DEFAULTS, str(logging)]
        plain, _ = stack.enter_context(server(command, logging, "/bytes", bench))
        targets = [
            Target("recommendations", pid, port, paths),
            Target("empty, returns the object", empty, beside, ["/object"]),
            Target("empty, returns the bytes", empty, beside, ["/bytes"]),
            Target("same, uvicorn's defaults", plain, logging, ["/bytes"]),
        ]
        for target in targets:
            target.loaded(1, flags.connections)  # warm
        rounds = [
            {target.name: target.loaded(flags.seconds, flags.connections) for target in targets}
            for _ in range(flags.rounds)
        ]
        memory = resident_mb(pid)
    python = platform.python_version()
    print(f"{platform.platform()} · {os.cpu_count()} cores · Python {python} · {generator()}")
    print(" · ".join(f"{name} {version(name)}" for name in PACKAGES))
    print(
        f"{len(users)} users · answers of {len(body)} bytes · {flags.connections} connections · "
        f"medians of {flags.rounds} rounds of {flags.seconds:g} s"
    )
    report(
        rounds,
        {
            "resident_mb": round(memory, 1), "ready_seconds": round(ready, 2),
            "load_average": round(os.getloadavg()[0], 1), "generator": generator(),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
