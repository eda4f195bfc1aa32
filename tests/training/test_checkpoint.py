"""Checkpoints: what comes back is what was kept, whatever happens in between."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from catalog.errors import ConfigError, NotReadyError
from tests.training.conftest import little_config, tiny
from training import checkpoint
from training.checkpoint import (
    STARTED,
    Checkpoints,
    Standing,
    Started,
    Unfinished,
    can_go_on,
    fingerprint,
    read_started,
)
from training.split import everything, next_item

pytestmark = pytest.mark.train

EVENTS = [(user, item) for user in range(3) for item in range(5)]


def started(config=None, events=EVENTS):
    data = tiny(events)
    return Started.now(data, next_item(data), config or little_config())


def standing(**changed):
    rng = np.random.default_rng(7)
    rng.random(3)
    known = Standing(
        rng=rng.bit_generator.state, epoch=4, step=2, loss=1.5, best=0.25, best_epoch=3, since=1, seconds=12.5,
        curve=[{"epoch": 1.0, "loss": 2.0}, {"epoch": 2.0, "loss": 1.0, "validation": 0.25}],
        weights=[np.arange(6, dtype=np.float32).reshape(2, 3), np.array([5], np.int64)],
        best_weights=[np.zeros((2, 3), np.float32), np.array([4], np.int64)], optimiser=[np.array(3, np.int64)],
    )  # fmt: skip
    return replace(known, **changed)


def test_a_standing_comes_back_as_it_was(tmp_path):
    kept = standing()
    Checkpoints(tmp_path).save("ranker, order", kept)
    found = Checkpoints(tmp_path).load("ranker, order")
    for name in ("weights", "best_weights", "optimiser"):
        for one, other in zip(getattr(kept, name), getattr(found, name), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    lists = {"weights": [], "best_weights": [], "optimiser": []}
    assert replace(found, **lists) == replace(kept, **lists)
    rng = np.random.default_rng(0)
    rng.bit_generator.state = found.rng
    assert rng.random() == np.random.default_rng(7).random(4)[3]


def test_before_the_first_validation_nothing_is_better_than_the_worst(tmp_path):
    Checkpoints(tmp_path).save("towers", standing(best=-float("inf"), best_epoch=0, best_weights=[]))
    assert Checkpoints(tmp_path).load("towers").best == -float("inf")


def test_fits_have_checkpoints_of_their_own(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("towers", standing(epoch=1))
    checkpoints.save("towers for the ranker", standing(epoch=2))
    assert checkpoints.load("towers").epoch == 1
    assert checkpoints.load("ranker, order") is None


def test_a_write_that_is_cut_off_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("towers", standing(epoch=1))

    def full(out, **arrays):
        out.write(b"PK half of an archive")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save("towers", standing(epoch=2))
    assert checkpoints.load("towers").epoch == 1


def test_writing_takes_a_fiftieth_of_the_time_at_most(tmp_path, monkeypatch):
    clock = iter([0.0, 10.0, 10.5, 35.4, 35.6])
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: next(clock))
    checkpoints = Checkpoints(tmp_path)  # at 0
    checkpoints.save("towers", standing())  # from 10 to 10.5: not again before 10.5 + 0.5 / 0.02 = 35.5
    assert not checkpoints.due
    assert checkpoints.due


def test_without_a_folder_nothing_is_kept():
    checkpoints = Checkpoints()
    checkpoints.save("towers", standing())
    assert checkpoints.load("towers") is None
    assert not checkpoints.due


def test_a_run_is_begun_gone_on_with_and_finished(tmp_path):
    folder = tmp_path / "runs" / "one"
    with Unfinished(folder, started()) as run:
        run.checkpoints.save("towers", standing())
    assert read_started(folder).config == little_config()
    with Unfinished(folder, started()) as run:
        assert run.checkpoints.load("towers").epoch == 4
        run.finish()
    assert list(folder.iterdir()) == []


def test_a_run_with_other_settings_or_data_is_another_run(tmp_path):
    Unfinished(tmp_path, started()).__exit__()
    with pytest.raises(ConfigError, match="epochs = 6, now 9; begin a new run"):
        Unfinished(tmp_path, started(little_config(epochs=9)))
    with pytest.raises(ConfigError, match="has changed since"):
        Unfinished(tmp_path, started(events=EVENTS[:-1]))
    assert can_go_on(tmp_path, started())
    assert not can_go_on(tmp_path, started(little_config(seed=1)))


def test_a_run_that_somebody_trains_is_left_alone(tmp_path):
    with Unfinished(tmp_path, started()):
        assert not can_go_on(tmp_path, started())
        with pytest.raises(ConfigError, match="another process"):
            Unfinished(tmp_path, started())
    assert can_go_on(tmp_path, started())


def test_a_folder_without_a_beginning_is_said(tmp_path):
    with pytest.raises(NotReadyError, match="begin a new one"):
        read_started(tmp_path)
    (tmp_path / STARTED).write_text('{"config": {"epocs": 3}}')
    with pytest.raises(NotReadyError, match="begin a new one"):
        read_started(tmp_path)


def test_the_fingerprint_sees_every_part_that_is_learned_from():
    data = tiny(EVENTS)
    split = next_item(data)
    values = data.log.values.copy()
    values[3] = 4.0
    content = replace(data.content, text=data.content.text + 1)
    items = (replace(data.items[0], features={"genre": "x"}), *data.items[1:])
    prints = [
        fingerprint(data, split), fingerprint(data, everything(data)),
        fingerprint(data.with_log(replace(data.log, values=values)), split),
        fingerprint(replace(data, content=content), split), fingerprint(replace(data, items=items), split),
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert fingerprint(tiny(EVENTS), next_item(tiny(EVENTS))) == prints[0]
