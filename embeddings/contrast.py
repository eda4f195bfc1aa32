"""Contrastive learning of pictures against texts: the loss, the course, and how well the one finds the other."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalog.progress import Progress
from catalog.records import Floats, Ints

if TYPE_CHECKING:
    import torch

    from embeddings.frozen import Parts

FIRST_TEMPERATURE, LEAST_TEMPERATURE = 0.07, 0.01
SAME_TEXT = 0.9999
"""Cosine from which two texts are taken for one."""
WARM_UP = 0.1
"""Share of the course in which the rate rises; then it falls as a cosine does."""


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast to learn."""

    epochs: int = 30
    """At most; fewer where the minutes do not allow them, which is known after the first."""
    minutes: float = 8.0
    """Of the whole alignment, with reading pictures."""
    batch_size: int = 128
    learning_rate: float = 5e-4
    head_rate: float = 2e-3
    """Of the way into the texts' space, which is new, and of the temperature."""
    weight_decay: float = 0.05
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """What learning took."""

    epochs: int
    steps: int
    seconds: float


def learn(
    parts: Parts,
    kept: NDArray[Any],
    texts: Floats,
    rows: Ints,
    course: Course,
    began: float,
    progress: Progress,
) -> Learned:
    """Teach the network where texts lie.

    Args:
        parts: The network.
        kept: What was kept of n pictures.
        texts: `[n, dim]` unit vectors of their texts.
        rows: Which pairs to learn from.
        course: How long and how fast.
        began: When the alignment began, by `time.perf_counter`.
        progress: Told of every pair.
    """
    import torch

    rng, size = np.random.default_rng(course.seed), min(course.batch_size, len(rows))
    scale = torch.nn.Parameter(torch.tensor(math.log(1 / FIRST_TEMPERATURE), device=parts.device))
    optimizer, rates = _optimizer(parts.network, scale, course)
    trained = [each for group in optimizer.param_groups for each in group["params"]]
    all_texts, per_epoch = torch.from_numpy(texts).to(parts.device), len(rows) // size
    epochs, step, loss = course.epochs, 0, math.nan
    parts.network.train()
    first = time.perf_counter()
    epoch = 0
    while epoch < epochs:
        progress.start(f"align, epoch {epoch + 1} of {epochs}", per_epoch * size)
        order = rng.permutation(rows)
        for begin in range(0, per_epoch * size, size):
            some = np.sort(order[begin : begin + size])  # rising: the file is read forwards
            share = step / (epochs * per_epoch)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * min(1.0, share / WARM_UP) * (1 + math.cos(math.pi * share)) / 2
            found = all_texts[torch.from_numpy(some).to(parts.device)]
            value = contrastive_loss(
                parts.vectors(kept[some], rng), found, scale.exp().clamp(max=1 / LEAST_TEMPERATURE),
                found @ found.T > SAME_TEXT,
            )  # fmt: skip
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            step, loss = step + 1, float(value.detach())
            progress.advance(size)
            progress.note(loss=loss, temperature=math.exp(-float(scale.detach())))
        epoch += 1
        if epoch == 1:
            now = time.perf_counter()
            left = began + 60 * course.minutes - now
            epochs = max(1, min(epochs, 1 + int(left / (now - first))))
    return Learned(epochs, step, time.perf_counter() - first)


def contrastive_loss(
    pictures: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, same: torch.Tensor
) -> torch.Tensor:
    """The mean of both directions' cross-entropy (Radford et al. 2021), a scalar.

    Args:
        pictures: `[b, dim]`, unit length.
        texts: `[b, dim]`, unit length; row i belongs to picture i.
        scale: One over the temperature.
        same: `[b, b]` where two rows have the same text: such a pair is not one of strangers, and left out.
    """
    import torch
    from torch.nn.functional import cross_entropy

    logits = scale * pictures @ texts.T
    own = torch.eye(len(same), dtype=torch.bool, device=same.device)
    logits = logits.masked_fill(same & ~own, -torch.inf)
    rows = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, rows) + cross_entropy(logits.T, rows)) / 2


def recall(queries: Floats, answers: Floats, k: int = 10) -> float:
    """Share of the rows i of `queries` `[n, dim]` among whose k nearest rows of `answers` `[n, dim]` is row i."""
    if not len(queries):
        return 0.0
    scores = queries @ answers.T
    nearer = (scores > np.diag(scores)[:, None]).sum(axis=1)
    return float((nearer < k).mean())


def _optimizer(
    network: torch.nn.Module, scale: torch.nn.Parameter, course: Course
) -> tuple[torch.optim.Optimizer, list[float]]:
    """AdamW with the head and the temperature at a rate of their own, and the rates by group."""
    import torch

    head = {id(each) for each in network.get_submodule("head").parameters()}
    learning = [each for each in network.parameters() if each.requires_grad]
    body = [each for each in learning if id(each) not in head]
    rates = [course.learning_rate, course.head_rate, course.head_rate]
    groups = [
        {"params": body, "lr": rates[0]},
        {"params": [each for each in learning if id(each) in head], "lr": rates[1]},
        {"params": [scale], "lr": rates[2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=course.weight_decay), [
        rate for rate, group in zip(rates, groups, strict=True) if group["params"]
    ]
