"""Searches for knobs that suit a data set better: on validation alone, within a time budget, taken up where it was.

The models of a run are searched one after the other, each on top of what was found before it: the towers by the
NDCG@10 of retrieval, the order head by that of the ranked pools, the rating head by its error. A study is kept in
SQLite and goes on when the same data and the same knobs below it come again. Since the best of many trials is partly
luck, what was found must also beat the knobs of before from another seed.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.progress import SILENT, Progress
from towers.device import use_device
from towers.frameworks import keras
from training.checkpoint import fingerprint
from training.config import TrainConfig
from training.course import Course
from training.dataset import TrainingData
from training.names import flat
from training.order import fit_order
from training.presets import nested, turned
from training.rating import ENOUGH, fit_rating
from training.retriever import Retriever, fit_retriever
from training.space import SPACE
from training.split import next_item
from training.tracking import Untracked
from training.train import feature_space, fit_early

if TYPE_CHECKING:
    from optuna import Study, Trial


BUDGET = {"towers": 0.6, "order": 0.25, "rating": 0.15}
"""Shares of the time; what a model leaves goes to the next one."""
CONFIRMATION = 2
"""Trainings at the end of a search that show whether what was found holds from another seed."""

Knobs = Mapping[str, Any]
"""By dotted name: `towers.dropout`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of the search for one model's knobs; figures are validation results, higher is better."""

    model: str
    trials: int
    """Trials of the study so far, those of earlier searches included."""
    before: float
    """With the knobs of before."""
    best: float
    """With the best knobs tried."""
    knobs: Knobs
    """The best ones; nothing where those of before are."""
    confirmed: tuple[float, float] | None = None
    """Before and best from another seed; None where nothing better was found or no time was left."""

    @property
    def holds(self) -> bool:
        """Whether the best knobs are better from both seeds."""
        return self.confirmed is not None and self.confirmed[1] > self.confirmed[0]


Objective = Callable[[TrainConfig, Course], float]


class Tuning:
    """The searches for one data set; what they share is fitted once."""

    def __init__(
        self, data: TrainingData, config: TrainConfig, storage: str, progress: Progress = SILENT,
        told: Callable[[str], None] = lambda sentence: None,
    ) -> None:  # fmt: skip
        """Prepare to search.

        Args:
            data: the data set; of its next-item split only training and validation are looked at.
            config: the knobs of before.
            storage: where studies are kept, a URL that SQLAlchemy knows.
            progress: told of every batch.
            told: told of every trial, in a sentence.
        """
        use_device(config.device)
        self.data, self.config = data, config
        self._storage, self._progress, self._told = storage, progress, told
        split = next_item(data)
        self._split = replace(split, test=np.full_like(split.test, -1))
        self._fingerprint = fingerprint(data, self._split)
        self._space = feature_space(data, self._split, config)
        self._towers: tuple[Retriever, Retriever] | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """What can be searched for: without ratings there is no rating head."""
        rated = self.data.schema.rating_type() and np.isfinite(self.data.log.values).sum() >= ENOUGH
        return tuple(model for model in SPACE if model != "rating" or rated)

    def run(self, minutes: float, trials: int | None = None) -> list[Found]:
        """Search for the knobs of each model in turn, each with what was found for those before it.

        Args:
            minutes: for all of it; of each model the first training, with the knobs of before, is always finished.
            trials: at most so many for each model.
        """
        found: list[Found] = []
        left, models = minutes * 60, self.models
        for at, model in enumerate(models):
            began = time.monotonic()
            share = BUDGET[model] / sum(BUDGET[each] for each in models[at:])
            found.append(self.search(model, left * share, trials))
            if found[-1].holds:
                self.config = turned(self.config, nested(found[-1].knobs), "tuning")
            left = max(0.0, left - (time.monotonic() - began))
        return found

    def search(self, model: str, seconds: float, trials: int | None) -> Found:
        """Search for the knobs of one model."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        deadline = time.monotonic() + seconds
        objective = self.objective(model)
        before = {name: value_of(self.config, name) for name in SPACE[model]}
        # What is configured is tried first, wherever it lies.
        space = {name: each.holding(before[name]) for name, each in SPACE[model].items()}
        study = optuna.create_study(
            storage=self._storage, study_name=self.name(model), direction="maximize", load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )  # fmt: skip
        study.sampler = optuna.samplers.TPESampler(
            seed=self.config.seed + len(study.trials), multivariate=True, n_startup_trials=5
        )
        study.enqueue_trial(before, skip_if_exists=True)
        longest = 0.0

        def attempt(trial: Trial) -> float:
            nonlocal longest
            knobs = {name: each.suggest(trial, name) for name, each in space.items()}
            config = turned(self.config, nested(knobs), "the space that is searched")
            began = time.monotonic()
            watch = Watch(trial, deadline if trial.number else float("inf"))
            value = objective(config, Course(self._progress, watch))
            longest = max(longest, time.monotonic() - began)
            return value

        def tell(study: Study, trial: optuna.trial.FrozenTrial) -> None:
            result = f"{trial.value:.4f}" if trial.value is not None else trial.state.name.lower()
            self._told(f"{model}, trial {trial.number}: {result}; best {study.best_value:.4f}")
            if time.monotonic() + CONFIRMATION * longest >= deadline:
                study.stop()

        study.optimize(attempt, n_trials=trials, callbacks=[tell])
        done = [each for each in study.trials if each.value is not None]
        was = next(float(each.value) for each in done if each.params == before)  # type: ignore[arg-type]
        best = study.best_trial
        found = Found(model, len(study.trials), was, float(study.best_value), best.params)
        if best.params == before:
            return replace(found, knobs={})
        other = replace(self.config, seed=self.config.seed + 1)
        again = [
            objective(turned(other, nested(knobs), "tuning"), Course(self._progress))
            for knobs in (before, best.params)
        ]
        return replace(found, confirmed=(again[0], again[1]))

    def objective(self, model: str) -> Objective:
        """What is to be maximised for a model."""
        if model == "towers":
            return lambda config, course: self._fit_towers(config, course).fitted.best
        if model == "rating":
            return self._rating
        if self._towers is None:
            final = self._fit_towers(self.config, Course(self._progress))
            self._towers = final, fit_early(final, self.config, Course(self._progress))
        final, early = self._towers

        def order(config: TrainConfig, course: Course) -> float:
            keras.utils.set_random_seed(config.seed)
            return fit_order(early, final, config, course).ranked["ndcg@10"]

        return order

    def name(self, model: str) -> str:
        """The study of a model: another one where the data differs, or a knob that it depends on."""
        searched = {"towers": SPACE, "order": {**SPACE, "towers": {}}, "rating": SPACE}[model]
        free = {name for knobs in searched.values() for name in knobs}
        fixed = {name: value for name, value in flat(asdict(self.config)) if name not in free}
        text = json.dumps([self._fingerprint, fixed], sort_keys=True)
        return f"{self.data.schema.name} {model} {hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"

    def _fit_towers(self, config: TrainConfig, course: Course) -> Retriever:
        keras.utils.set_random_seed(config.seed)
        return fit_retriever(self.data, self._space, self._split, config, "towers", course)

    def _rating(self, config: TrainConfig, course: Course) -> float:
        # The head reads nothing of the towers, only the columns that come with them: any will do.
        if self._towers is None:
            some = self._fit_towers(replace(self.config, epochs=1), Course(self._progress))
            self._towers = some, some
        keras.utils.set_random_seed(config.seed)
        rated = fit_rating(self._towers[0], config, course)
        assert rated is not None, "models without ratings are not searched for"
        return -rated.rmse


class Watch(Untracked):
    """Ends a trial that does worse than most did so far, or that runs out of time."""

    def __init__(self, trial: Trial, deadline: float) -> None:
        self._trial, self._deadline = trial, deadline

    def epoch(self, fit: str, figures: Mapping[str, float]) -> None:
        """Report a validation; raises optuna.TrialPruned where the trial is given up."""
        import optuna

        if "validation" in figures:
            self._trial.report(figures["validation"], int(figures["epoch"]))
            if self._trial.should_prune() or time.monotonic() > self._deadline:
                raise optuna.TrialPruned


def value_of(config: TrainConfig, name: str) -> Any:
    """A knob by its dotted name."""
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value
