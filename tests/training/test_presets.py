"""Knobs by name: what is turned, what is refused, and that what is shipped can be trained with."""

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from catalog.errors import ConfigError
from training.config import TrainConfig
from training.presets import PRESETS, merged, nested, preset, turned

pytestmark = pytest.mark.train


def test_knobs_are_turned_where_they_are_nested_and_nothing_else_is():
    config = turned(TrainConfig(), {"learning_rate": 1, "towers": {"dropout": 0.3}}, "test")
    assert (config.learning_rate, config.towers.dropout) == (1.0, 0.3)
    assert isinstance(config.learning_rate, float)
    assert turned(
        config, {"learning_rate": TrainConfig().learning_rate, "towers": {"dropout": 0.2}}, "test"
    ) == (TrainConfig())


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"epocs": 3}, "my.toml: expected a knob of TrainConfig, got 'epocs'; did you mean 'epochs'?"),
        ({"towers": {"droput": 0.1}}, "a knob of TowerConfig, got 'droput'; did you mean 'dropout'?"),
        ({"epochs": 2.5}, "expected epochs like 40, got 2.5"),
        ({"epochs": True}, "expected epochs like 40, got True"),
        ({"towers": 3}, "expected towers like"),
        ({"epochs": 0}, "training.epochs of at least 1"),
    ],
)
def test_what_cannot_be_meant_is_said(knobs, said):
    with pytest.raises(ConfigError) as caught:
        turned(TrainConfig(), knobs, "my.toml")
    assert said in str(caught.value)


def test_dotted_names_are_nested_and_layers_lie_over_each_other():
    assert nested({"a": 1, "b.c": 2, "b.d": 3}) == {"a": 1, "b": {"c": 2, "d": 3}}
    assert merged({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 4, "b": {"d": 5}, "e": {"f": 6}}) == {
        "a": 4, "b": {"c": 2, "d": 5}, "e": {"f": 6},
    }  # fmt: skip


@pytest.mark.parametrize("dataset", [*PRESETS, "a-shop-of-yours"])
def test_every_preset_can_be_trained_with(dataset):
    assert (preset(dataset) == TrainConfig()) == (not PRESETS.get(dataset))
