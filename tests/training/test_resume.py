"""A training that is killed goes on where it stood, and comes to the same end."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from tests.training.conftest import little_config
from training.checkpoint import STARTED
from training.course import Course
from training.run import GRAPHS, Run
from training.train import train

pytestmark = pytest.mark.train

ROOT = Path(__file__).parent.parent.parent
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
"""Several threads add numbers up in an order that nobody decides."""


def test_a_training_killed_at_random_moments_equals_one_that_was_not(tmp_path):
    """SIGKILL, so nothing can be tidied up; what is left between the numbers is the rounding of float32."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.training.victim", str(tmp_path)],
        cwd=ROOT, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        said, complaints = process.communicate()
    finally:
        with suppress(ProcessLookupError):  # the trainings are children of it, and outlive it
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, complaints[-2000:]
    assert "killed after" in said, "it was never killed: the comparison would prove nothing"
    unbroken, killed = Run.open(tmp_path / "unbroken"), Run.open(tmp_path / "killed")
    for name, array in unbroken.arrays.items():
        np.testing.assert_allclose(killed.arrays[name], array, atol=1e-5, err_msg=name)
    for graph in GRAPHS:
        for name, answer in unbroken.probes[graph].outputs.items():
            np.testing.assert_allclose(
                killed.probes[graph].outputs[name], answer, atol=1e-4, err_msg=f"{graph} {name}"
            )
    assert not (killed.folder / STARTED).exists()
    assert not (killed.folder / "checkpoints").exists()


def test_what_is_done_is_not_trained_again(simulated, tmp_path, monkeypatch):
    """The export fails, as on a full disk; the second time no epoch is run and the same run comes of it."""
    import training.train as stage

    config = little_config(epochs=2, order_epochs=1, rating_epochs=1, order_examples=200, validate_every=1)
    export, epochs, stopped = stage.export, [], []

    class Epochs:
        def begin(self, name, dataset, settings): ...

        def epoch(self, fit, figures):
            epochs.append(fit)

        def end(self, summary, curves):
            epochs.append(sorted(curves))

        def stop(self, error):
            stopped.append(error)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage, "export", full)
    with pytest.raises(OSError, match="No space") as raised:
        train(simulated, config, tmp_path, tracker=Epochs())
    assert stopped == [raised.value], "whoever follows a training is told at once that it ended"
    assert set(epochs) == {"towers", "towers for the ranker", "ranker, order", "ranker, rating"}
    epochs.clear()
    monkeypatch.setattr(stage, "export", export)
    run = train(simulated, config, tmp_path, tracker=Epochs())
    assert epochs == [["ranker, order", "ranker, rating", "towers", "towers for the ranker"]]
    assert len(stopped) == 1
    assert Run.open(tmp_path).summary == run.summary
    assert run.summary.training["towers"]["epochs"] == 2


def test_a_course_notes_each_lack_once():
    course = Course()
    course.remark("No ratings.")
    course.remark("No ratings.")
    assert course.notes == ["No ratings."]
    assert Course().notes == []
