"""What README and the documents tell people to type is typed: in a folder as `git clone` leaves it, on small data.

By default it is only made sure that something was decided about every command (`tests/documented.py`). All are
run by `scripts/test -m slow tests/test_documented_commands.py`, in a quarter of an hour.
"""

from __future__ import annotations

import os
import re
import shutil
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
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import small_data
from tests.documented import NOT_HERE, PAGES, PROGRAMS, ROOT, as_run, commands, snippets, text, why_not

ALL = {page: list(commands(page)) for page in PAGES}
ABOUT = {
    "docs/migrate/feed.md": "startml-posts", "docs/migrate/movies.md": "movielens-100k",
    "docs/migrate/pictures.md": "fashion", "docs/migrate/retailrocket.md": "retailrocket",
    "docs/migrate/shop.md": "amazon-products",
}  # fmt: skip
"""The data set of the service that a page asks; `simulated` on the others."""
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
PACKAGES = ("tensorflow", "catboost", "implicit", "lightfm", "mlflow", "optuna", "material")
PATIENCE = 1800.0
"""Seconds."""


def test_everything_that_is_to_be_typed_begins_with_a_program_that_is_known() -> None:
    """A line of another kind is a new tool, or no command: then its block wants a fence that says what it is."""
    assert {
        command for page in ALL.values() for command in page if command.split(" ")[0] not in PROGRAMS
    } == set()


def test_nothing_is_excused_that_nobody_is_told_to_type() -> None:
    told = [command for page in ALL.values() for command in page]
    assert len(set(told)) > 80
    assert [each for each in NOT_HERE if not any(re.match(each, command) for command in told)] == []
    assert len([command for command in set(told) if why_not(command)]) < 0.25 * len(set(told))


def test_placeholders_have_stand_ins() -> None:
    here = dict.fromkeys(("port", "own", "data", "dump", "version"), "0")
    for page in PAGES:
        for told in [*(each for each in ALL[page] if not why_not(each)), *snippets(page)]:
            run = as_run(told, here)
            assert re.findall(r"\b[A-Z]{2,}\b(?![=_])", re.sub(r"'[^']*'|\"[^\"]*\"", "", run)) == [], run
            assert "…" not in run, run
            assert "8000" not in run, run


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
            with self.service(ABOUT.get(page, "simulated")) as port:
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
        if re.match(NEEDS_NOTHING, command) or not re.match("towerbridge|python|curl", command):
            return
        about = self.about(command)
        if about.islower():  # a folder of one's own has what the page told before
            self.model(about)
        if "benchmarks." in command:
            self.model("retailrocket" if "retailer" in command else "movielens-100k")
        if "--resume" in command:
            self.stop_a_training()

    def model(self, dataset: str) -> None:
        if dataset in self.ready:
            return
        self.ready.add(dataset)
        assert (
            self.run(f"towerbridge demo --replace --dataset {dataset} --no-serve", self.environment) is None
        )
        if dataset == "simulated":
            assert self.run("towerbridge train && towerbridge build", self.environment) is None

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
    assert (
        place.run("towerbridge init .", place.environment) is None
    )  # so that there is a dataset.toml to name
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    missing = [each for each in PACKAGES if find_spec(each) is None]
    if missing:
        pytest.skip(f"the commands of the documents need what `make demo` installs, {', '.join(missing)} too")
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    return settled(tmp_path_factory.mktemp("clone"))


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.mongo
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", [page for page in PAGES if ALL[page] or "```python" in text(page)])
def test_what_a_page_tells_to_type_works(page: str, place: Place) -> None:
    wrong = []
    place.exported.clear()
    for each in ALL[page]:
        if not why_not(each) and (told := place.type(each, page)):
            wrong.append(each)
            print(f"\n{page}: {each}\n{told}", flush=True)
    if code := snippets(page):
        about = ABOUT.get(page, "simulated")
        with place.service(about) as port:
            for each in code:
                line = f"python -W error - <<'PYTHON'\n{as_run(each, {'port': port})}\nPYTHON"
                if told := place.run(line, place.environment):
                    wrong.append(each)
                    print(f"\n{page}: {each}\n{told}", flush=True)
        place.ready.discard(
            about
        )  # what they add to the catalogue no model knows, and none can be measured on
    assert wrong == []
