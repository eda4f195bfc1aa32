"""What goes with a training from its first fit to its last: who is told, and where it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.progress import SILENT, Progress
from training.checkpoint import Checkpoints
from training.tracking import UNTRACKED, Tracker


@dataclass(frozen=True, slots=True)
class Course:
    """By default nobody is told and nothing is kept."""

    progress: Progress = SILENT
    tracker: Tracker = UNTRACKED
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    notes: list[str] = field(default_factory=list)
    """What was not done, and why: one sentence each."""

    def remark(self, sentence: str) -> None:
        """Note what is not done for lack of data, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)
