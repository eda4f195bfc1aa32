"""The loop that every model of the project is trained by: epochs, validation, early stopping, the best weights.

Knows TFRS models and dictionaries of arrays; not what they mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from catalog.errors import ConfigError
from towers.device import training_step
from towers.frameworks import keras, tf, tfrs
from towers.layers import tensors
from training.checkpoint import Standing
from training.course import Course
from training.windows import Batch

TOLD_EVERY = 0.5
"""Seconds between two looks at the loss: fetching it from the device at every step would hold that up."""


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
    """In training steps, validation left out."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """Loss per epoch, and the validation result of those that were validated."""


def rows(batch: Batch) -> float:
    """The number of examples in a batch."""
    return float(len(next(iter(batch.values()))))


def fit(
    model: tfrs.Model,
    *,
    label: str,
    batches: Callable[[], Iterable[Batch]],
    rng: np.random.Generator,
    steps: int,
    examples: int,
    validate: Callable[[], float],
    epochs: int,
    learning_rate: float,
    patience: int,
    validate_every: int,
    course: Course,
    weight: Callable[[Batch], float] = rows,
) -> Fitted:
    """Train until validation has not improved `patience` times in a row; leaves the best weights in the model.

    Where the course has a checkpoint of this label, training goes on from there; where that one says that this
    fit is done, nothing is trained.

    Args:
        model: computes its loss from a batch. All its randomness is in its weights, see `towers.layers.Noise`.
        label: what progress is shown as; different for each fit of a course.
        batches: makes one epoch of batches, anew each time.
        rng: what `batches` draws from.
        steps: about how many batches an epoch has.
        examples: examples in an epoch.
        validate: the figure to maximise, of the model as it is.
        epochs: at most so many.
        learning_rate: of Adam, decayed over the epochs by a cosine to a tenth.
        patience: validations without improvement that are tolerated.
        validate_every: epochs between validations; the last epoch is always validated.
        course: told of every batch, keeps the checkpoints.
        weight: the sum of the weights of a batch, of which its loss is the weighted mean.
    """
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * max(1, steps), alpha=0.1)
    model.compile(optimizer=keras.optimizers.Adam(schedule, beta_2=0.98, global_clipnorm=1.0))
    train_step = training_step(model, weight)
    at = course.checkpoints.load(label)
    if at is None:
        at = Standing(rng=rng.bit_generator.state)
    else:
        restore(model, at, next(iter(batches())))
        rng.bit_generator.state = at.rng

    def seen(number: int) -> int:
        """Examples of so many batches of an epoch, about; never more than there are, as `steps` may be too few."""
        return min(examples, round(number * examples / max(1, steps)))

    course.progress.start(label, 0 if at.done else examples * (epochs - at.epoch) - seen(at.step))
    while not at.done:
        began = told = time.perf_counter()
        loss = tf.constant(at.loss)
        for number, batch in enumerate(batches(), 1):
            if number <= at.step:
                continue
            loss += train_step(batch)
            at.step = number
            course.progress.advance(seen(number) - seen(number - 1))
            if (now := time.perf_counter()) - told > TOLD_EVERY:
                told = now
                course.progress.note(epoch=at.epoch + 1, loss=float(loss) / number, **best_of(at))
            if course.checkpoints.due:
                at.loss, at.seconds, began = float(loss), at.seconds + now - began, now
                keep(model, at, label, course)
        course.progress.advance(examples - seen(at.step))
        at.seconds += time.perf_counter() - began
        entry = {"epoch": float(at.epoch + 1), "loss": float(loss) / max(1, at.step)}
        at.epoch, at.step, at.loss, at.rng = at.epoch + 1, 0, 0.0, rng.bit_generator.state
        at.curve.append(entry)
        if at.epoch % validate_every == 0 or at.epoch >= epochs:
            entry["validation"] = validate()
            at.since += 1
            if entry["validation"] > at.best:
                at.best, at.best_epoch, at.since = entry["validation"], at.epoch, 0
                at.best_weights = model.get_weights()
        course.progress.note(**entry, **best_of(at))
        course.tracker.epoch(label, entry)
        at.done = at.epoch >= epochs or at.since >= patience
        if at.done or course.checkpoints.due:
            keep(model, at, label, course)
    if at.best_weights:
        model.set_weights(at.best_weights)
    rate = examples * at.epoch / max(at.seconds, 1e-9)
    return Fitted(at.best, at.epoch, at.best_epoch, rate, at.seconds, at.curve)


def keep(model: tfrs.Model, at: Standing, label: str, course: Course) -> None:
    """Write a checkpoint of a model and its optimiser, of which a fit that is done needs the best weights alone."""
    at.weights = [] if at.done else model.get_weights()
    at.optimiser = [] if at.done else [variable.numpy() for variable in model.optimizer.variables()]
    course.checkpoints.save(label, at)


def restore(model: tfrs.Model, at: Standing, batch: Batch) -> None:
    """Bring a model that has not seen a batch yet, and its optimiser, to where they stood.

    Raises:
        ConfigError: the checkpoint is of another model.
    """
    tf.distribute.get_strategy().run(model.compute_loss, args=(tensors(batch), True))  # makes the weights
    model.optimizer.build(model.trainable_variables)
    variables = [] if at.done else model.optimizer.variables()
    wanted = model.get_weights()
    for kept in (at.weights, at.best_weights):
        shapes = [weight.shape for weight in kept]
        if kept and shapes != [weight.shape for weight in wanted]:
            raise ConfigError(
                f"expected a checkpoint of {len(wanted)} weights, found {len(kept)} of other shapes: it was written "
                "by another version of the model; begin a new run"
            )
    if not at.done:
        model.set_weights(at.weights)
    for variable, value in zip(variables, at.optimiser, strict=True):
        variable.assign(value)


def best_of(at: Standing) -> dict[str, float]:
    """The best validation so far, if there was one."""
    return {"best": at.best} if at.best_epoch else {}
