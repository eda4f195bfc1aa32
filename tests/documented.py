"""What README and the documents tell people to type, and what is decided about each of it.

A command is a line of a code block or a span of code that begins with a program. Each either is run, by
`test_documented_commands.py`, with the stand-ins that are declared below; or it is declared as one that cannot
be run where tests run, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    str(page.relative_to(ROOT))
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.name != "LOG.md"  # tells how things were
)
PROGRAMS = {"curl", "docker", "export", "kubectl", "make", "mkdocs", "mlflow", "pip", "python", "towerbridge"}
NOT_HERE = {
    r"docker ": "there is no container engine; tests/test_deploy.py reads the Dockerfile and compose.yaml",
    r"kubectl ": "there is no cluster; tests/test_deploy.py holds the manifests to their schemas",
    r"pip install ": "needs a package index; scripts/wheel installs the wheel with its extras",
    r"make (test|check)$": "these are what runs this",
    r"towerbridge .*--device cuda": "needs a GPU",
    r"towerbridge promote$": "is spoken of, not typed: a version has to follow",
    r"python -m benchmarks\.bench_(embed|encoders)": "needs the weights of the picture encoder, which the hub has",
    r"python scripts/pages.py": "writes into docs/; test_docs compares what it would write",
}
"""Commands that are not run, by how they begin, and why."""
STAND_INS = (
    (r"127\.0\.0\.1:8000", "127.0.0.1:<port>"),
    (r"Client\(\)", 'Client("http://127.0.0.1:<port>")'),
    (r"--port \d+", "--port <port>"),
    (r"(?<=dump )FOLDER|/backup/\S+", "<dump>"),
    (r"\bFOLDER\b", "<own>"),
    (r"\bDIR\b", "<data>"),
    (r"\bNAME\b", "<dataset>"),
    (r"\bUSER\b", "17"),
    (r"\bVERB\b", "stats"),
    (r"\bVERSION\b", "<version>"),
    # What asks for as much as a machine with one purpose gives.
    (r"^make demo$", "env TOWERBRIDGE_SIMULATED_ITEMS=60 make demo"),  # what comes after is another world
    (r"--items \d+ --users \d+ --events \d+", "--items 80 --users 50 --events 1500"),
    (r"--seeds \d+", "--seeds 2"),
    (r"^(towerbridge evaluate --(?:json|report|seeds|users).*)", r"\1 --protocol next-item"),
    (r"^(towerbridge evaluate.*)", r"\1 --folds 1"),
    (r"--minutes \d+", "--minutes 0.2"),
    (r"^(towerbridge tune(?!.*--minutes).*)", r"\1 --minutes 0.2"),
    (r"(python -m benchmarks\.bench_ablation).*", r"\1 --epochs 1 --only id"),
    (r"(python -m benchmarks\.bench_import).*", r"\1 --events 3000 --corrupted 30"),
    (r"(python -m benchmarks\.bench_new_item .*) --items \d+", r"\1 --items 5"),
    (r"(python -m benchmarks\.bench_retailer .*)", r"\1 --seconds 1"),
    (r"(python -m benchmarks\.bench_serving .*)", r"\1 --seconds 1 --rounds 1"),
    (
        r"(python -m benchmarks\.bench_training).*",
        r"\1 --rounds 1 --threads 1 --items 300 --users 99 --events 9000",
    ),
    (r"^mkdocs serve", "mkdocs serve --dev-addr 127.0.0.1:<port>"),
    (r"^mlflow ui", "mlflow ui --port <port>"),
)
"""What is run in place of what is written: everybody has another folder, and tests have two cores."""


def as_run(told: str, here: Mapping[str, object]) -> str:
    """A command or a piece of code as it is run, with the names of `<port>`, `<own>` and so on `here`."""
    for pattern, stand_in in STAND_INS:
        told = re.sub(pattern, stand_in, told)
    for name, value in here.items():
        told = told.replace(f"<{name}>", str(value))
    return told


def text(page: str) -> str:
    """A page, by its path below the repository."""
    return (ROOT / page).read_text("utf-8")


def commands(page: str) -> Iterator[str]:
    """What is to be typed into a shell, in the order of the page."""
    block: list[str] = []
    fence = None
    for line in [*text(page).splitlines(), ""]:
        if mark := re.match(r"```(\w*)", line):
            fence = None if fence is not None else mark[1]
            continue
        inside = fence in ("sh", "bash", "console") or (fence is None and line.startswith("    "))
        if inside:
            block.append(line.removeprefix("    ") if fence is None else line)
            continue
        yield from _lines(block)
        block = []
        if fence is None:
            spans = re.findall(r"`([^`]+)`", line)
            yield from (
                span
                for span in map(_bare, spans)
                if re.match(r"(\S+) \S", span) and _program(span) in PROGRAMS
            )


def _lines(block: list[str]) -> Iterator[str]:
    """The commands of a code block: without answers, drawings, settings, and the explanations beside them."""
    for line in "\n".join(block).replace("\\\n", " ").split("\n"):
        if re.match(r"[a-z.][\w./-]*( [^=\d]|$)", line) and not re.search("[─►◄│]", line):
            yield _bare(re.split(r"\s{2,}(?=[^\s-])|\s+# ", line, maxsplit=1)[0])


def _bare(line: str) -> str:
    return line.removeprefix("$ ").removeprefix(".venv/bin/").strip()


def _program(command: str) -> str:
    return command.split(" ", 1)[0]


def snippets(page: str) -> list[str]:
    """The blocks of Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


def shown(page: str) -> dict[str, Any]:
    """The JSON that a page shows under a command, by the command; it may be cut short with `…`."""
    found = {}
    for block, below in pairwise(re.split(r"\n\n+", text(page))):
        told = list(_lines([line.removeprefix("    ") for line in block.splitlines()]))
        if told and below.startswith("    {"):
            found[told[-1]] = _read(below)
    return found


def _read(answer: str) -> Any:
    whole, cut = re.subn(r",?…\s*$", "", answer)
    brackets = {"[": "]", "{": "}"}
    closing: list[str] = []
    for mark in re.sub(r'"[^"]*"', "", whole):
        if mark in brackets:
            closing.append(brackets[mark])
        elif mark in "]}":
            closing.pop()
    return json.loads(whole + "".join(reversed(closing)) if cut else whole)


def fits(answer: Any, told: Any) -> bool:
    """Whether an answer has the names and the kinds of what is shown; it may have more, as pages leave things out."""
    if isinstance(answer, dict) and isinstance(told, dict):
        return told.keys() <= answer.keys() and all(fits(answer[name], told[name]) for name in told)
    if isinstance(answer, list) and isinstance(told, list):
        return all(fits(each, told[0]) for each in answer) if told else True
    if isinstance(told, bool) or told is None or isinstance(told, str):
        return type(answer) is type(told)
    return isinstance(answer, int | float) and isinstance(told, int | float) and not isinstance(answer, bool)


def why_not(command: str) -> str | None:
    """Why a command is not run, where it is not."""
    return next((why for pattern, why in NOT_HERE.items() if re.match(pattern, command)), None)
