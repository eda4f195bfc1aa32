"""How long work tells of its progress. The jobs count; the CLI draws."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what begins, how much there is of it, what has been done, and what is found on the way."""

    def start(self, label: str, total: int | None) -> None:
        """A stretch of work begins; `total` is its size in rows, or None where nobody knows."""

    def advance(self, count: int) -> None:
        """So many more rows are done."""

    def note(self, **figures: float) -> None:
        """How the stretch is going, such as `loss=1.25`: shown beside its progress until the next note."""


class Silent:
    """Progress that nobody watches."""

    def start(self, label: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, count: int) -> None:
        """Say nothing."""

    def note(self, **figures: float) -> None:
        """Say nothing."""


SILENT = Silent()
