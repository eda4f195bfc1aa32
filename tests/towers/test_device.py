"""Where training computes: what is refused, and that several devices come to what one does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("towers.frameworks", reason="needs the extra `train`").tf

from catalog.errors import ConfigError  # noqa: E402
from towers.device import divide, multiplies_halves, of_all_replicas, use_device  # noqa: E402
from towers.layers import product, rounded_products  # noqa: E402

pytestmark = pytest.mark.train


def test_devices_that_are_not_there_are_one_sentence():
    with pytest.raises(ConfigError, match="expected device auto, cpu or cuda, got 'tpu'"):
        use_device("tpu")
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    with pytest.raises(ConfigError, match="no GPU here; use --device auto or cpu"):
        use_device("cuda")


def test_one_device_needs_no_strategy():
    assert use_device("cpu").num_replicas_in_sync == 1
    assert not multiplies_halves()


def test_parts_of_a_batch_share_its_weight():
    batch = {"x": np.arange(5), "w": np.array([1.0, 0, 2, 3, 4])}
    parts = divide(batch, 2, lambda part: float(part["w"].sum()))
    assert [part["x"].tolist() for part, _ in parts] == [[0, 1, 2], [3, 4]]
    assert [share for _, share in parts] == [0.3, 0.7]


def test_a_batch_smaller_than_the_devices_counts_once():
    parts = divide({"x": np.array([7])}, 3, lambda part: float(len(part["x"])))
    assert [(part["x"].tolist(), share) for part, share in parts] == [([7], 1.0), ([7], 0.0), ([7], 0.0)]


def test_alone_there_are_no_others():
    rows = tf.constant([[1.0], [2.0]])
    assert of_all_replicas(rows) is rows


def test_products_are_rounded_where_that_is_asked_for_and_nowhere_else():
    left, right = tf.constant([[1.0, 1 + 2**-12]]), tf.constant([[3.0], [1.0]])
    assert product(left, right).numpy().item() == 4 + 2**-12
    with rounded_products():
        assert product(left, right).numpy().item() == 4.0
        assert product(left, right).dtype == tf.float32
        traced = tf.function(product)
        assert traced(left, right).numpy().item() == 4.0
    assert product(left, right).numpy().item() == 4 + 2**-12


def test_two_devices_learn_what_one_does_from_the_whole_batch():
    """Losses and weights after three steps: gradients, clipped over all devices, and negatives of all of them."""
    root = Path(__file__).parent.parent.parent
    process = subprocess.run(
        [sys.executable, "-m", "tests.towers.replicas"], cwd=root, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr[-3000:]
    found = json.loads(process.stdout.splitlines()[-1])
    assert found["replicas"] == 2
    one, two = found["losses"]
    np.testing.assert_allclose(two, one, rtol=1e-5)
    assert np.isfinite(found["alone"]).all()
    assert found["moved"] > 0.05
    assert found["apart"] < 1e-5
    # bfloat16 keeps 8 bits: the losses are close, and not the same.
    np.testing.assert_allclose(found["rounded"], one, rtol=0.02)
    assert found["rounded"] != one
