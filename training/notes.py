"""What a data set does not allow, in sentences: told after training and kept with the run.

Only what the data lacks is noted here; what a fit decides not to do, it remarks itself (`Course.remark`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.dataset import TrainingData
from training.split import Split

FEW = 50
"""Users to validate on below which figures are more noise than measure."""


def shortcomings(data: TrainingData, split: Split) -> Iterator[str]:
    """Sentences about what the data lacks, the gravest first."""
    events = np.bincount(data.log.user_rows, minlength=len(data.users))
    learned = np.bincount(data.log.item_rows[split.training(data.log)], minlength=len(data.items))
    validated = split.validation >= 0
    lonely = events < 2
    if validated.sum() < FEW:
        yield f"Users to validate on: {validated.sum():,}. The figures, and what is chosen by them, are coarse."
    if lonely.any():
        yield f"Users with fewer than two interactions: {lonely.sum():,}. Nothing is learned of what they do next."
    if (short := ~validated & ~lonely).any():
        yield f"Users with too few interactions that can be asked for: {short.sum():,}. They are not validated on."
    if unseen := int((learned == 0).sum()):
        yield f"Items without an interaction to learn from: {unseen:,}. Their content alone places them."
    if data.log.times.min() == data.log.times.max():
        yield "All interactions have the same time: their order is that of the files, and pauses say nothing."
    if not data.schema.users:
        yield "Users have no side features: somebody without a history gets what everybody gets."
    if not data.schema.items:
        yield "Items have no side features: they differ by id, text and picture alone."
    for column, name in enumerate(("text", "picture")):
        without = int((data.content.mask[:, column] == 0).sum())
        if without == len(data.items):
            yield f"No item has a {name} vector: the item tower reads none."
        elif without:
            yield f"Items without a {name} vector: {without:,} of {len(data.items):,}. Their other parts place them."
