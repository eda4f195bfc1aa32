"""The one shape of the ranking protocols: what may be learned, and what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from catalog.records import Ints
from training.dataset import TrainingData
from training.questions import Questions
from training.split import Split


@dataclass(frozen=True, slots=True)
class Exam:
    """What one protocol makes of a data set."""

    data: TrainingData
    """What is learned from,"""
    split: Split
    """and which part of it."""
    tables: Mapping[str, Questions]
    """What is asked, by the name of its table."""
    shipped: bool = False
    """Whether bundles as they are shipped have learned from just this; else one is trained for the protocol."""
    beside: tuple[str, ...] = ("most_popular",)
    """Baselines that are asked in any case."""
    validation: Questions | None = None
    """Where the knobs of baselines are chosen, unless on the validation events of the split,"""
    decisive: str = "ndcg@10"
    """and by which metric."""
    deciding: Questions | None = None
    """Where it is chosen what orders the answers, unless on the validation events of the split."""


def part_of(parts: int, ids: Iterable[str]) -> Ints:
    """`[ids]` the part `0 … parts - 1` that each falls into: by hash, so always the same, whatever else there is."""
    digests = (blake2b(name.encode(), digest_size=8).digest() for name in ids)
    return np.array([int.from_bytes(digest, "big") % parts for digest in digests], np.int64)
