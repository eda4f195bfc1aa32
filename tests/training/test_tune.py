"""The search for knobs: what it may turn, what it looks at, what it keeps, and that it goes on."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from tests.training.conftest import little_config, tiny
from training import tune
from training.course import Course
from training.presets import nested, turned
from training.space import SPACE, Choice, Range
from training.tune import BUDGET, Tuning, value_of

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs the extra `tune`"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

UNBOUND = 1e6
"""Seconds: trials end these searches, not the clock, however slow the machine is."""
EVENTS = [(user, (user + step) % 30) for user in range(40) for step in range(12)]


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path / 'tuning.db'}"


@pytest.fixture
def tuning(storage):
    """A search whose trainings are a formula: the best learning rate is 0.002, whatever the rest."""

    def made(
        figure=lambda config: -abs(np.log(config.learning_rate / 2e-3)), config=None, told=lambda _: None
    ):
        data = tiny(EVENTS, items=30, users=40)
        made = Tuning(data, config or little_config(learning_rate=6e-4), storage, told=told)
        made.objective = lambda model: lambda config, course: figure(config)
        return made

    return made


def test_every_knob_exists_and_its_ends_can_be_trained_with():
    config = little_config()
    assert set(BUDGET) == set(SPACE)
    names = [name for knobs in SPACE.values() for name in knobs]
    assert len(set(names)) == len(names)
    for knobs in SPACE.values():
        for name, space in knobs.items():
            for value in space.values if isinstance(space, Choice) else (space.low, space.high):
                assert value_of(turned(config, nested({name: value}), "test"), name) == value
            if isinstance(space, Range):
                assert space.low < space.high


def test_what_is_configured_is_tried_first_wherever_it_lies(tuning):
    """Beyond the ends of a range, and none of the values that there are to choose from."""
    tried = []

    def figure(config):
        tried.append((config.learning_rate, config.order_batch_size, config.batch_size))
        return 0.0

    for model in ("towers", "order"):
        search = tuning(figure, little_config(learning_rate=0.5, order_batch_size=8, batch_size=7))
        assert search.search(model, 0, trials=None).trials == 1
    assert tried == [(0.5, 8, 7)] * len(tried)
    assert len(tried) >= 2


def test_the_search_finds_what_is_better_and_confirms_it_from_another_seed(tuning):
    seeds = []

    def figure(config):
        seeds.append(config.seed)
        return -abs(np.log(config.learning_rate / 2e-3))

    said = []
    found = tuning(figure, told=said.append).search("towers", UNBOUND, trials=25)
    assert found.before == pytest.approx(-np.log(2e-3 / 6e-4))
    assert found.best > found.before / 4
    assert found.trials == 25
    assert seeds == [0] * 25 + [1, 1]
    assert found.confirmed == pytest.approx((found.before, found.best))
    assert found.holds
    assert said[0] == f"towers, trial 0: {found.before:.4f}; best {found.before:.4f}"
    assert set(found.knobs) == set(SPACE["towers"])


def test_luck_is_not_kept(tuning):
    """Better from the first seed, worse from the other."""
    found = tuning(lambda config: (1 - 2 * config.seed) * config.learning_rate).search(
        "towers", UNBOUND, trials=10
    )
    assert found.best > found.before
    assert not found.holds


def test_a_search_goes_on_where_the_last_one_ended(tuning):
    first = tuning().search("towers", UNBOUND, trials=6)
    second = tuning().search("towers", UNBOUND, trials=6)
    assert (first.trials, second.trials) == (6, 12)
    assert second.best >= first.best
    assert second.before == first.before


def test_another_base_is_another_study(tuning):
    names = {
        tuning(config=little_config(**changed)).name(model)
        for changed in ({}, {"history": 30}, {"learning_rate": 1e-3}, {"order_learning_rate": 1e-3})
        for model in ("towers", "order")
    }
    # What the towers are, their own knobs do not change which study they have, nor do those of the order; the order
    # depends on the towers' knobs. So: towers with history 20 and 30, order with 20, 30 and another learning rate.
    assert len(names) == 2 + 3


def test_time_that_is_over_ends_the_search_after_the_first_training(tuning):
    found = tuning().search("towers", 0, trials=None)
    assert (found.trials, found.knobs, found.holds) == (1, {}, False)


def test_each_model_is_searched_with_what_was_found_before_it(tuning):
    seen = {}

    def objective(model):
        def figure(config, course):
            seen.setdefault(model, []).append(config.learning_rate)
            return {"towers": config.learning_rate, "order": -config.order_learning_rate}[model]

        return figure

    search = tuning()
    search.objective = objective
    towers, _ = search.run(UNBOUND / 60, trials=8)
    assert towers.holds
    assert set(seen["order"]) == {towers.knobs["learning_rate"]}
    assert value_of(search.config, "learning_rate") == towers.knobs["learning_rate"]


def test_without_ratings_there_is_nothing_to_search_for_them(tuning, simulated, storage):
    assert tuning().models == ("towers", "order")
    assert Tuning(simulated, little_config(), storage).models == ("towers", "order", "rating")


def test_a_trial_that_does_worse_than_most_is_given_up(storage):
    import optuna

    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=2))
    ended = []

    def attempt(trial):
        watch = tune.Watch(trial, deadline=float("inf"))
        for epoch, value in enumerate([0.1, 0.2, 0.3] if trial.number < 3 else [0.01, 0.02, 0.03], 1):
            watch.epoch("towers", {"epoch": epoch, "loss": 1.0})
            watch.epoch("towers", {"epoch": epoch, "loss": 1.0, "validation": value})
            ended.append((trial.number, epoch))
        return value

    study.optimize(attempt, n_trials=4)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3 + ["PRUNED"]
    assert ended[-1] == (2, 3)


def test_no_trial_sees_the_test(tuning):
    search = tuning()
    assert (search._split.test == -1).all()
    assert (search._split.validation >= 0).any()


def test_the_objectives_are_the_validation_figures_of_the_fits(simulated, storage):
    """One training of each model, for real."""
    config = little_config(epochs=1, order_epochs=1, rating_epochs=1, order_examples=200)
    search = Tuning(simulated, replace(config, validate_every=1), storage)
    towers = search.objective("towers")(search.config, Course())
    order = search.objective("order")(search.config, Course())
    error = search.objective("rating")(search.config, Course())
    assert towers == search._towers[0].fitted.best
    assert 0 < order < 1
    assert -2 < error < 0
