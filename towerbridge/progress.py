"""Progress of long work: a bar with rate and remaining time on a terminal, plain lines elsewhere.

Both answer to `catalog.progress.Progress`, so the jobs know nothing of this file. All of it goes to standard
error. A stretch of work ends when the next one begins, or with the `with` block.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from towerbridge.output import duration, per_second

if TYPE_CHECKING:
    from rich.progress import Task, TaskID
    from rich.text import Text

LINE_SECONDS = 10.0
"""How often a plain line is written while work goes on."""
WORTH_TELLING = 1.0
"""Seconds under which a stretch of work is not mentioned in a log."""


class Lines:
    """Progress as lines of text, for logs: one every ten seconds, and one where a long stretch ends.

    Of short stretches, such as epochs, as many are told as fit that pace.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream or sys.stderr, clock
        self._label, self._figures, self._done = "", "", 0
        self._total: int | None = None
        self._began = self._told = clock()
        self._wrote = float("-inf")

    def start(self, label: str, total: int | None) -> None:
        """A stretch of work begins."""
        self._finish()
        self._label, self._figures, self._total, self._done = label, "", total, 0
        self._began = self._told = self._clock()

    def advance(self, count: int) -> None:
        """So much more is done."""
        self._done += count
        now = self._clock()
        if now - self._told < LINE_SECONDS:
            return
        self._told = now
        rate = self._done / (now - self._began)
        share = remaining = ""
        if self._total:
            share = f" of {self._total:,} ({100 * self._done / self._total:.0f} %)"
            remaining = f", {duration((self._total - self._done) / rate)} to go" if rate else ""
        self._write(f"{self._label}: {self._done:,}{share}, {per_second(rate)}{remaining}{self._figures}")

    def note(self, **figures: float) -> None:
        """How it is going, written at the end of the next line."""
        self._figures = f"; {in_words(figures)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish()

    def _finish(self) -> None:
        now = self._clock()
        took = now - self._began
        is_due = took >= LINE_SECONDS or now - self._wrote >= LINE_SECONDS
        if self._label and self._done and took >= WORTH_TELLING and is_due:
            self._write(
                f"{self._label}: {self._done:,} in {duration(took)} ({per_second(self._done / took)}){self._figures}"
            )
        self._label = ""

    def _write(self, line: str) -> None:
        self._wrote = self._clock()
        print(f"  {line}", file=self._stream, flush=True)


class Bars:
    """Progress as bars, on a terminal; those of finished stretches go away."""

    def __init__(self, stream: TextIO | None = None) -> None:
        from rich import progress
        from rich.console import Console
        from rich.text import Text

        class Rate(progress.ProgressColumn):
            """Units a second."""

            def render(self, task: Task) -> Text:
                """The rate of late, or nothing before there is one."""
                speed = task.finished_speed or task.speed
                return Text(per_second(speed) if speed else "", style="progress.data.speed")

        self._progress = progress.Progress(
            progress.TextColumn("  {task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(), Rate(),
            progress.TimeRemainingColumn(), progress.TextColumn("{task.fields[figures]}"),
            console=Console(file=stream or sys.stderr), transient=True,
        )  # fmt: skip
        self._task: TaskID | None = None

    def start(self, label: str, total: int | None) -> None:
        """A stretch of work begins."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(label, total=total, figures="")

    def advance(self, count: int) -> None:
        """So much more is done."""
        assert self._task is not None, "progress is advanced before anything was started"
        self._progress.advance(self._task, count)

    def note(self, **figures: float) -> None:
        """How it is going, at the end of the bar."""
        assert self._task is not None, "progress is noted before anything was started"
        self._progress.update(self._task, figures=in_words(figures))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def in_words(figures: Mapping[str, float]) -> str:
    """`epoch 3, loss 6.125, best 0.1418`."""
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def progress() -> Bars | Lines:
    """What suits standard error: bars where it is a terminal, lines where it is a file or a pipe."""
    return Bars() if sys.stderr.isatty() else Lines()
