"""What a report shows beside its figures: the size of the data, calibration, and answers to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bundle.reader import Bundle
from catalog.progress import SILENT, Progress
from catalog.schema import DatasetSchema
from training.calibration import Calibration, calibrate
from training.dataset import TrainingData
from training.examples import Example, examples


@dataclass(frozen=True, slots=True)
class Scene:
    """A data set and the version that was measured on it."""

    schema: DatasetSchema
    items: int
    users: int
    events: int
    texts: int
    """Items with a text that is read,"""
    pictures: int
    """and with a picture that is looked at."""
    calibration: Calibration | None
    examples: Sequence[Example]

    @classmethod
    def of(cls, bundle: Bundle, data: TrainingData, progress: Progress = SILENT) -> Scene:
        """Ask a bundle for ratings and for a few answers on the data set that it was made from."""
        texts, pictures = data.content.mask.sum(0).astype(int).tolist()
        return cls(
            data.schema, len(data.items), len(data.users), len(data.log), texts, pictures,
            calibrate(bundle, data, progress), examples(bundle, data),
        )  # fmt: skip
