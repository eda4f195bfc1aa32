"""A folder as `git clone` and `make demo` leave it, in which commands are typed as people type them."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from catalog.mongod import open_server
from tests import small_data
from tests.documented import PAGES, ROOT, as_run, fits, shown
from tests.patience import free_port
from tests.terminal import PATIENCE, STOPPED, Terminal

ABOUT = {
    "README.md": "movielens-100k", "docs/migrate/feed.md": "startml-posts",
    "docs/migrate/movies.md": "movielens-100k", "docs/migrate/pictures.md": "fashion",
    "docs/migrate/retailrocket.md": "retailrocket", "docs/migrate/shop.md": "amazon-products",
}  # fmt: skip
"""The data set of the service that a page asks; the others ask about `simulated`."""
SMALL = {
    "TOWERBRIDGE_SIMULATED_ITEMS": "80", "TOWERBRIDGE_SIMULATED_USERS": "50", "TOWERBRIDGE_SIMULATED_EVENTS": "1500",
    "TOWERBRIDGE_ENCODERS_TEXT": "hashing", "TOWERBRIDGE_ENCODERS_IMAGE": "hashing", "TOWERBRIDGE_TRAIN_EPOCHS": "1",
    "TOWERBRIDGE_TRAIN_EMBEDDING_SIZE": "8", "HF_HUB_OFFLINE": "1", "NO_MKDOCS_2_WARNING": "1",
}  # fmt: skip
KNOBS = "[towers]\nblocks = 1\nheads = 1\n\n[ranker]\nrating_members = 1\n"
"""As `towerbridge tune` leaves them: of half a minute that a training takes, most is making graphs."""
UNBOUNDED = r"towerbridge (serve|schedule$)|(make|towerbridge) demo(?!.*--no-serve)|mkdocs |mlflow "
"""What goes on until it is told to stop."""
STAGES = ("import", "embed", "train", "build")
"""What has to be done, in this order, for a data set to have a model."""
NEEDS = (
    (r"towerbridge (--debug )?(import|validate|init|demo|doctor|config|restore)\b|make|mkdocs|mlflow|export|curl", 0),
    (r"towerbridge (embed|stats|dump)\b", 1),
    (r"towerbridge (train|tune|tune-encoder)\b", 2),
    (r"towerbridge build\b", 3),
    (r"python -m benchmarks\.bench_(import|training)\b", 0),
    (r"python -m benchmarks\.bench_(ablation|neighbours)\b", 2),
)  # fmt: skip
"""How many of the stages a command builds on; the others build on all."""


@dataclass(slots=True)
class Place:
    """A clone whose environment is made, and what was typed in it."""

    folder: Path
    environment: Mapping[str, str]
    typed: set[str] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)
    """Of each data set, how many of the stages."""
    exported: dict[str, str] = field(default_factory=dict)
    """By `export`, as far as the page goes."""

    def turn_over(self) -> None:
        """Begin a page: in a fresh shell, without the settings that another one has told to write."""
        self.exported.clear()
        (self.folder / "towerbridge.toml").unlink(missing_ok=True)

    def type(self, command: str, page: str) -> str | None:
        """What went wrong, where something did. A second time nothing is done."""
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.exported[name] = value
            return None
        told = f"{as_run(command, {**self.names(page), 'port': 'PORT'})} {self.exported}"
        if told in self.typed:
            return None
        self.typed.add(told)
        self.prepare(command)
        names = self.names(page)  # there may be a version now
        line, at_work = as_run(command, names), self.terminal()
        if command.startswith("towerbridge restore"):  # into a database that is empty, as after a loss
            at_work = self.terminal(TOWERBRIDGE_HOME=str(self.folder / "restored"))
        began = processor_seconds()
        if re.match(UNBOUNDED, command):
            wrong = self.started_and_stopped(line, int(str(names["port"])))
        else:
            wrong = mistaken(line, at_work.run(line), self.folder)
        print(
            f"{processor_seconds() - began:6.1f} s  {command}", *filter(None, [wrong]), sep="\n", flush=True
        )
        if wrong is None:
            self.count(command)
        if "bench_new_item" in command:
            self.clean("movielens-100k")
        return wrong and f"{page}: {command}\n{wrong}"

    def ask(self, page: str, calls: Sequence[str], snippets: Sequence[str]) -> Iterator[str]:
        """What went wrong with what a page tells to ask a service, in a shell and in Python."""
        if not (calls or snippets):
            return
        about, answers, at_work = ABOUT.get(page, "simulated"), shown(page), self.terminal()
        with self.service(about) as port:
            for call in calls:
                line = as_run(call, {"port": port}).replace("curl ", "curl --fail-with-body -sS ", 1)
                answered = at_work.run(line)
                wrong = mistaken(line, answered, self.folder)
                if wrong is None and call in answers and not fits(json.loads(answered.stdout), answers[call]):
                    wrong = f"answered {answered.stdout}"
                if wrong:
                    yield f"{page}: {call}\n{wrong}"
            for code in snippets:
                line = f"python -W error - <<'PYTHON'\n{as_run(code, {'port': port})}\nPYTHON"
                if wrong := mistaken(line, at_work.run(line), self.folder):
                    yield f"{page}: {code}\n{wrong}"
        if snippets:
            self.clean(about)

    def names(self, page: str) -> dict[str, object]:
        """What stands for the placeholders of a page."""
        own = self.folder / "own" / Path(page).stem
        if not own.exists():
            small_data.own(own)
        versions = self.versions("simulated")
        return {
            "port": free_port(), "data": self.folder / "data", "own": own,
            "dump": self.folder / "dumps" / Path(page).stem, "version": versions[-2] if versions[1:] else "none",
            "dataset": "retailrocket" if page == "docs/presets.md" else "movielens-100k",
        }  # fmt: skip

    def versions(self, dataset: str) -> list[str]:
        """The bundles of a data set, oldest first."""
        return sorted(path.name for path in (self.folder / ".towerbridge/bundles" / dataset).glob("2*"))

    def terminal(self, **given: str) -> Terminal:
        """Where commands are run, with what was exported."""
        return Terminal(self.folder, {**self.environment, **self.exported, **given})

    def about(self, command: str) -> str:
        """The data set that a command works on."""
        if "benchmarks." in command:
            return "retailrocket" if "retailer" in command else "movielens-100k"
        named = re.search(r"--dataset ([^\s\"]+)|^towerbridge import (\S+)", command)
        return (named[1] or named[2]) if named else self.exported.get("TOWERBRIDGE_DATASET", "simulated")

    def prepare(self, command: str) -> None:
        """What a command builds on: stages of the data set, a second version, a training that was stopped."""
        about, needed = self.about(command), needs(command)
        if about.islower():  # a folder of one's own has what the page told before
            self.reach(about, needed)
        if re.match(r"towerbridge (promote|rollback)", command) and len(self.versions(about)) < 2:
            self.must(f"towerbridge train --dataset {about} && towerbridge build --dataset {about}")
        if "--resume" in command:
            self.stop_a_training()

    def reach(self, dataset: str, stage: int) -> None:
        """Do what is not done yet of the stages of a data set, up to one."""
        for verb in STAGES[self.done.get(dataset, 0) : stage]:
            self.must(f"towerbridge {verb} {'' if verb == 'import' else '--dataset '}{dataset}")
        self.done[dataset] = max(stage, self.done.get(dataset, 0))

    def count(self, command: str) -> None:
        """Remember which stage a command has brought its data set to."""
        for each in command.split(" && "):
            if re.match(r"(make|towerbridge) demo", each):
                self.done[self.about(each)] = len(STAGES)
            elif (verb := re.match(r"towerbridge (\w+)", each)) and verb[1] in STAGES:
                about = self.about(each)
                self.done[about] = max(self.done.get(about, 0), STAGES.index(verb[1]) + 1)

    def clean(self, dataset: str) -> None:
        """Take back what was added to a catalogue through the service: no model knows it."""
        self.must(f"towerbridge import {dataset} --replace && towerbridge embed --dataset {dataset}")

    def must(self, line: str) -> None:
        """Run what has to work for anything to be tried."""
        done = Terminal(self.folder, self.environment).run(line)
        assert done.returncode == 0, f"{line}: {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}"

    def stop_a_training(self) -> None:
        """As somebody does who presses Ctrl-C."""
        runs = self.folder / ".towerbridge/runs/simulated"
        before = set(runs.glob("*/started.json"))
        with self.terminal().process("towerbridge train") as (training, log):
            until = time.monotonic() + PATIENCE
            while set(runs.glob("*/started.json")) <= before:
                assert training.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < until, log.read_text()[-2000:]
                time.sleep(0.05)

    def started_and_stopped(self, line: str, port: int) -> str | None:
        """What goes on until Ctrl-C has to come so far that it answers, and to end as programs end then."""
        said = "(UTC)" if "schedule" in line else "\0"
        with self.terminal(TOWERBRIDGE_SERVE_PORT=str(port)).going(line, port, said) as (going, log):
            pass
        return None if going.returncode in STOPPED else f"{going.returncode}\n{log.read_text()[-2000:]}"

    @contextmanager
    def service(self, dataset: str) -> Iterator[int]:
        """The port of a service that answers with the model of a data set."""
        self.reach(dataset, len(STAGES))
        port = free_port()
        with self.terminal().going(f"towerbridge serve --dataset {dataset} --port {port}", port):
            yield port


def needs(command: str) -> int:
    """How many of the stages a command builds on."""
    return next((stages for pattern, stages in NEEDS if re.match(pattern, command)), len(STAGES))


def mistaken(line: str, done: subprocess.CompletedProcess[str], folder: Path) -> str | None:
    """What is wrong with how a command ended; None where it ended well and left what it says."""
    if done.returncode != 0:
        return f"exit code {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}"
    if line.startswith("curl") and not done.stdout:
        return None  # taken without a word; refusals are exit codes
    if "--json" in line or line.startswith("curl"):
        try:
            json.loads(done.stdout)
        except ValueError:
            return f"expected JSON, got {done.stdout[:2000]}"
    elif not done.stdout.strip() and not done.stderr.strip():
        return "said nothing"
    written = re.findall(r"(?:--report|--output|towerbridge dump) (\S+)", line)
    written += [f"{own}/dataset.toml" for own in re.findall(r"towerbridge init (\S+)", line)]
    missing = [name for name in written if not (folder / name).exists()]
    return f"wrote no {', '.join(missing)}" if missing else None


def processor_seconds() -> float:
    """Of all that was run and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def settled(folder: Path) -> Iterator[Place]:
    """A folder made as a clone is after `make demo` has installed what is needed; another terminal has it in use."""
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
    tuned = folder / ".towerbridge/tuned"
    tuned.mkdir(parents=True)
    for name in ("simulated", *ABOUT.values(), *(Path(page).stem for page in PAGES)):
        (tuned / f"{name}.toml").write_text(KNOBS)
    there = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {**there, **SMALL, "PATH": path, "TOWERBRIDGE_DATA": str(folder / "data")}
    with open_server(folder / ".towerbridge", {**given, "TOWERBRIDGE_MONGODB_URI": ""}):
        place = Place(folder, given)
        place.must("towerbridge init .")  # so that there is a dataset.toml to name
        yield place
