"""A folder as `git clone` and `make demo` leave it, in which commands are typed as people type them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests import small_data
from tests.documented import ROOT, as_run

ABOUT = {
    "docs/migrate/feed.md": "startml-posts", "docs/migrate/movies.md": "movielens-100k",
    "docs/migrate/pictures.md": "fashion", "docs/migrate/retailrocket.md": "retailrocket",
    "docs/migrate/shop.md": "amazon-products",
}  # fmt: skip
"""The data set that a page is about; the others are about `simulated`."""
SMALL = {
    "TOWERBRIDGE_SIMULATED_ITEMS": "80", "TOWERBRIDGE_SIMULATED_USERS": "50", "TOWERBRIDGE_SIMULATED_EVENTS": "1500",
    "TOWERBRIDGE_ENCODERS_TEXT": "hashing", "TOWERBRIDGE_ENCODERS_IMAGE": "hashing", "TOWERBRIDGE_TRAIN_EPOCHS": "1",
    "TOWERBRIDGE_TRAIN_EMBEDDING_SIZE": "8", "HF_HUB_OFFLINE": "1", "NO_MKDOCS_2_WARNING": "1",
}  # fmt: skip
UNBOUNDED = r"towerbridge (serve|schedule$)|(make|towerbridge) demo(?!.*--no-serve)|mkdocs |mlflow "
"""What goes on until it is told to stop."""
STOPPED = (130, 2, 0, -signal.SIGINT)
"""How Ctrl-C ends ours, make, MkDocs and MLflow, and whoever does not heed it."""
NEEDS_NOTHING = (
    r"towerbridge (--debug )?(import .|validate|init|demo|doctor|config|restore)|make|mkdocs|mlflow"
)
"""What works where nothing was imported, embedded and trained before."""
PATIENCE = 1800.0
"""Seconds."""


def about_page(page: str) -> str:
    """The data set of the service that a page asks."""
    return ABOUT.get(page, "simulated")


@dataclass(slots=True)
class Place:
    """A clone whose environment is made, and what was typed in it."""

    folder: Path
    environment: Mapping[str, str]
    typed: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)
    """Data sets that have a model."""
    exported: dict[str, str] = field(default_factory=dict)
    """By `export`, as far as the page goes."""

    def names(self, page: str) -> dict[str, object]:
        """What stands for the placeholders of a page."""
        versions = sorted((self.folder / ".towerbridge/bundles/simulated").glob("2*"))
        own = self.folder / "own" / Path(page).stem
        if not own.exists():
            small_data.own(own)
        return {
            "port": free_port(), "data": self.folder / "data", "own": own,
            "dump": self.folder / "dumps" / Path(page).stem, "version": versions[0].name if versions else "none",
        }  # fmt: skip

    def type(self, command: str, page: str) -> str | None:
        """What went wrong, where something did. A second time nothing is done."""
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.exported[name] = value
            return None
        names = self.names(page)
        told = f"{as_run(command, {**names, 'port': 'PORT'})} {self.exported}"
        if told in self.typed:
            return None
        self.typed.add(told)
        self.prepare(command)
        if "--items" in command:  # another world than the one that the others are about, or some new items
            self.ready.discard(self.about(command))
        names = self.names(page)  # there may be a version now
        line, environment = as_run(command, names), {**self.environment, **self.exported}
        if command.startswith("towerbridge restore"):  # into a database that is empty, as after a loss
            environment["TOWERBRIDGE_HOME"] = str(self.folder / "restored")
        if re.match(UNBOUNDED, command):
            with self.going(line, int(str(names["port"])), environment) as (going, log):
                pass
            ended = going.returncode in STOPPED
            return None if ended else f"{going.returncode}\n{log.read_text()[-2000:]}"
        if command.startswith("curl"):
            with self.service(about_page(page)) as port:
                line = line.replace(f":{names['port']}", f":{port}")
                return self.run(line.replace("curl ", "curl --fail-with-body -sS ", 1), environment)
        return self.run(line, environment)

    def run(self, line: str, environment: Mapping[str, str]) -> str | None:
        """What a shell makes of a line; None for success."""
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip
        return None if done.returncode == 0 else f"{done.returncode}\n{(done.stdout + done.stderr)[-2000:]}"

    def about(self, command: str) -> str:
        """The data set that a command works on."""
        named = re.search(r"--dataset ([^\s\"]+)", command)
        return named[1] if named else self.exported.get("TOWERBRIDGE_DATASET", "simulated")

    def prepare(self, command: str) -> None:
        """A model of the data set that a command is about, a second version, and a training that was stopped."""
        if re.match(NEEDS_NOTHING, command) or not re.match("towerbridge|python", command):
            return
        about = self.about(command)
        if about.islower():  # a folder of one's own has what the page told before
            self.model(about)
        if "benchmarks." in command:
            self.model("retailrocket" if "retailer" in command else "movielens-100k")
        if "--resume" in command:
            self.stop_a_training()

    def model(self, dataset: str) -> None:
        """A data set with a model of it; `simulated` has two, so that one can go back."""
        if dataset in self.ready:
            return
        self.ready.add(dataset)
        line = f"towerbridge demo --replace --dataset {dataset} --no-serve"
        if dataset == "simulated":
            line += " && towerbridge train && towerbridge build"
        wrong = self.run(line, self.environment)
        assert wrong is None, f"{line}: {wrong}"

    def stop_a_training(self) -> None:
        """As somebody does who presses Ctrl-C."""
        runs = self.folder / ".towerbridge/runs/simulated"
        before = set(runs.glob("*/started.json"))
        with self.process("towerbridge train", self.environment) as (training, _):
            until = time.monotonic() + PATIENCE
            while set(runs.glob("*/started.json")) <= before:
                assert training.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)

    @contextmanager
    def service(self, dataset: str) -> Iterator[int]:
        """The port of a service that answers with the model of a data set."""
        self.model(dataset)
        port = free_port()
        line = f"towerbridge serve --dataset {dataset} --port {port}"
        with self.going(line, port, self.environment):
            yield port

    @contextmanager
    def going(
        self, line: str, port: int, environment: Mapping[str, str]
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """A process that has come so far that it answers, or that it says what it waits for."""
        given = {**environment, "TOWERBRIDGE_SERVE_PORT": str(port)}
        with self.process(line, given) as (process, log):
            until = time.monotonic() + PATIENCE
            while not (answers(port) or ("schedule" in line and "(UTC)" in log.read_text())):
                assert process.poll() is None, f"{line} ended\n{log.read_text()[-2000:]}"
                assert time.monotonic() < until, f"{line} did not answer\n{log.read_text()[-2000:]}"
                time.sleep(0.2)
            yield process, log

    @contextmanager
    def process(
        self, line: str, environment: Mapping[str, str]
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """A process with children of its own, which all get the Ctrl-C of a terminal in the end."""
        log = self.folder / "log"
        with log.open("wb") as file, subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=self.folder, env=environment, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=heed_interrupts,
        ) as process:  # fmt: skip
            try:
                yield process, log
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                process.wait(60)


def heed_interrupts() -> None:
    """What runs in the background of a shell does not, and hands that on to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether a service is ready, or a site without a word about readiness is there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False


def settled(folder: Path) -> Place:
    """A folder made as a clone is after `make demo` has installed what is needed."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in {line.partition("/")[0] for line in listed.splitlines()}:
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    modules = {"python": "", "towerbridge": "-m towerbridge", "mkdocs": "-m mkdocs", "mlflow": "-m mlflow"}
    for name, module in modules.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        (programs / name).chmod(0o755)
    (folder / ".venv/.ready").touch()
    os.utime(folder / ".venv/.ready", (time.time() + 86_400,) * 2)  # newer than what make compares it with
    small_data.write_all(folder / "data")
    small_data.own(folder)
    there = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    place = Place(folder, {**there, **SMALL, "PATH": path, "TOWERBRIDGE_DATA": str(folder / "data")})
    place.run("towerbridge init .", place.environment)  # so that there is a dataset.toml to name
    return place
