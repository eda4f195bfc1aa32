"""Puts a server under load and says what came back: by `wrk` where there is one, else by a generator of ours.

Ours keeps one plain socket per connection and does no more than find the end of each answer, in a process of its
own: `python -m benchmarks.load` is how `measure` starts it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

WRK = """
local asked = {}
local json = {["Content-Type"] = "application/json"}
math.randomseed(7)
init = function()
  for line in io.lines("%s") do
    local path, body = line:match("^([^\t]*)\t?(.*)$")
    asked[#asked + 1] = body == "" and wrk.format("GET", path) or wrk.format("POST", path, json, body)
  end
end
request = function() return asked[math.random(#asked)] end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("{\\"requests\\": %%d, \\"seconds\\": %%f, \\"errors\\": %%d, "
    .. "\\"p50_ms\\": %%f, \\"p95_ms\\": %%f, \\"p99_ms\\": %%f}\\n",
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds


def generator() -> str:
    """Which generator `measure` uses here."""
    return "wrk" if shutil.which("wrk") else "built-in"


def measure(
    port: int, paths: Sequence[str], seconds: float, connections: int, rate: float | None = None
) -> Load:
    """Ask for random ones of the paths over some connections at once.

    A path with a tab and JSON behind it is asked for with that body, by POST. Each connection asks as fast as it is
    answered, or all together at a rate per second; that only the built-in generator does.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "paths"
        listed.write_text("\n".join(paths), "utf-8")
        if rate is None and generator() == "wrk":
            script = Path(folder) / "random.lua"
            script.write_text(WRK % listed, "utf-8")
            command = [
                "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script),
                f"http://127.0.0.1:{port}",
            ]  # fmt: skip
        else:
            command = [
                sys.executable, "-m", "benchmarks.load", str(port), str(listed), str(seconds), str(connections),
                *([] if rate is None else [str(rate)]),
            ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Load(**json.loads(done.stdout.strip().splitlines()[-1]))


async def _ask(
    port: int, requests: Sequence[bytes], until: float, first: int, every: float
) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies, errors, at = [], 0, first
    turn = time.perf_counter()
    while time.perf_counter() < until:
        if every:
            turn += every
            await asyncio.sleep(turn - time.perf_counter())
        begun = time.perf_counter()
        writer.write(requests[at % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        latencies.append(time.perf_counter() - begun)
        errors += not head.startswith(b"HTTP/1.1 200")
        at += 7919  # a prime step walks all users in a scattered order
    writer.close()
    return latencies, errors


async def _run(port: int, paths: Sequence[str], seconds: float, connections: int, rate: float) -> Load:
    requests = [_request(port, path) for path in paths]
    started = time.perf_counter()
    parts = await asyncio.gather(
        *(
            _ask(port, requests, started + seconds, number * 61, connections / rate if rate else 0.0)
            for number in range(connections)
        )
    )
    spent = time.perf_counter() - started
    latencies = sorted(latency for part, _ in parts for latency in part)
    p50, p95, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.95, 0.99))
    return Load(len(latencies), spent, sum(errors for _, errors in parts), p50, p95, p99)


def _request(port: int, path: str) -> bytes:
    path, _, body = path.partition("\t")
    if not body:
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    head = f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{head}\r\n\r\n{body}".encode()


def main(argv: Sequence[str]) -> None:
    """PORT FILE SECONDS CONNECTIONS [RATE]: print the measured load as one JSON line."""
    port, listed, seconds, connections, *rate = argv
    paths = Path(listed).read_text("utf-8").splitlines()
    load = asyncio.run(_run(int(port), paths, float(seconds), int(connections), float(*rate)))
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main(sys.argv[1:])
