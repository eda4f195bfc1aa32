"""The ranking protocols by name; `rating` is of another kind and has a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from training.dataset import TrainingData
from training.protocols import cold_item, global_time, new_user, next_item
from training.protocols.exam import Exam

EXAMS: Mapping[str, Callable[[TrainingData], Exam]] = {
    "next_item": next_item.exam,
    "global_time": global_time.exam,
    "cold_item": cold_item.exam,
    "new_user": new_user.exam,
}
RATING = "rating"
PROTOCOLS = (*EXAMS, RATING)
