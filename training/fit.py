"""The loop that every model of the project is trained by: epochs, validation, early stopping, the best weights.

Knows TFRS models and dictionaries of arrays; not what they mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from catalog.progress import Progress
from towers.frameworks import keras, tf, tfrs
from towers.layers import tensors
from training.windows import Batch


@dataclass(frozen=True, slots=True)
class Fitted:
    """What became of a training."""

    best: float
    """The best validation result; higher is better."""
    epochs: int
    """Epochs that were run."""
    best_epoch: int
    examples_per_second: float
    seconds: float
    curve: list[dict[str, float]] = field(default_factory=list)
    """Loss per epoch, and the validation result of those that were validated."""


def fit(
    model: tfrs.Model,
    *,
    label: str,
    batches: Callable[[], Iterable[Batch]],
    steps: int,
    examples: int,
    validate: Callable[[], float],
    epochs: int,
    learning_rate: float,
    patience: int,
    validate_every: int,
    progress: Progress,
) -> Fitted:
    """Train until validation has not improved `patience` times in a row; leaves the best weights in the model.

    Args:
        model: computes its loss from a batch.
        label: what progress is shown as.
        batches: makes one epoch of batches, anew each time.
        steps: about how many batches an epoch has.
        examples: examples in an epoch, for the rate.
        validate: the figure to maximise, of the model as it is.
        epochs: at most so many.
        learning_rate: of Adam, decayed over the epochs by a cosine to a tenth.
        patience: validations without improvement that are tolerated.
        validate_every: epochs between validations; the last epoch is always validated.
        progress: told of every batch.
    """
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * max(1, steps), alpha=0.1)
    model.compile(optimizer=keras.optimizers.Adam(schedule, beta_2=0.98, global_clipnorm=1.0))
    step = tf.function(model.train_step, reduce_retracing=True)
    best, best_epoch, best_weights, since = -float("inf"), 0, None, 0
    curve: list[dict[str, float]] = []
    began, validating, epoch = time.perf_counter(), 0.0, 0
    for epoch in range(1, epochs + 1):
        progress.start(f"{label}, epoch {epoch} of at most {epochs}", steps)
        losses = []
        for batch in batches():
            losses.append(step(tensors(batch))["loss"])
            progress.advance(1)
        entry = {"epoch": float(epoch), "loss": float(tf.reduce_mean(losses)) if losses else 0.0}
        curve.append(entry)
        if epoch % validate_every and epoch < epochs:
            continue
        since_here = time.perf_counter()
        entry["validation"] = validate()
        validating += time.perf_counter() - since_here
        if entry["validation"] > best:
            best, best_epoch, since = entry["validation"], epoch, 0
            best_weights = model.get_weights()
        else:
            since += 1
            if since >= patience:
                break
    if best_weights is not None:
        model.set_weights(best_weights)
    seconds = time.perf_counter() - began
    return Fitted(best, epoch, best_epoch, examples * epoch / max(seconds - validating, 1e-9), seconds, curve)
