"""Commands as a shell runs them: to their end, or until Ctrl-C where they go on until then."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.patience import heed_interrupts

STOPPED = (130, 2, 0, -signal.SIGINT)
"""How Ctrl-C ends ours, make, MkDocs and MLflow, and whoever does not heed it."""
PATIENCE = 1800.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """A folder in which commands are run, and what is set there."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """What a shell makes of a line."""
        return subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    @contextmanager
    def process(self, line: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """A process with children of its own, which all get the Ctrl-C of a terminal in the end, and its log."""
        log = self.folder / "log"
        with log.open("wb") as file, subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=self.folder, env=self.environment, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=heed_interrupts,
        ) as process:  # fmt: skip
            try:
                yield process, log
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                process.wait(60)

    @contextmanager
    def going(self, line: str, port: int, said: str = "\0") -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """A process that has come so far that it answers at a port, or has said something."""
        with self.process(line) as (process, log):
            until = time.monotonic() + PATIENCE
            while not (answers(port) or said in log.read_text()):
                assert process.poll() is None, f"{line} ended\n{log.read_text()[-2000:]}"
                assert time.monotonic() < until, f"{line} did not answer\n{log.read_text()[-2000:]}"
                time.sleep(0.2)
            yield process, log


def answers(port: int) -> bool:
    """Whether a service is ready, or a site without a word about readiness is there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False
