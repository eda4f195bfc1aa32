"""A training that is killed again and again, and one that is not: `python -m tests.training.victim FOLDER`.

Leaves the runs `unbroken` and `killed` in the folder and prints the seconds after which the latter was killed. Each
attempt is a child of a process that has loaded everything and computed nothing, so that it starts at once.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import tests.conftest  # noqa: F401  bounds the threads
from tests.training.conftest import little_config, tiny
from training import checkpoint
from training.config import TrainConfig
from training.dataset import TrainingData
from training.train import train

KILLS = 3


def shop() -> TrainingData:
    """60 users who have rated 30 of 80 items."""
    rng = np.random.default_rng(0)
    events = [(user, int(item)) for user in range(60) for item in rng.choice(80, 30, replace=False)]
    data = tiny(events, types=[2] * len(events), items=80, users=60)
    data.log.values[:] = 1 + (data.log.user_rows * data.log.item_rows) % 5
    return data


def config() -> TrainConfig:
    """Some seconds of work in all four fits."""
    return little_config(
        epochs=5, patience=5, candidates=60, history=10, held_out=5, order_epochs=4, rating_epochs=4
    )


def attempt(folder: Path, seconds: float | None) -> bool:
    """Train in a child, killed so many seconds after the first checkpoint of its own; whether it came to its end."""
    before = newest(folder)
    child = os.fork()
    if child == 0:
        checkpoint.SECONDS, checkpoint.SHARE = 0.0, 1.0  # after every batch: a kill can fall between any two
        code = 1
        try:
            train(shop(), config(), folder)
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    if seconds is not None:
        while newest(folder) == before and not (folder / "run.json").exists():
            time.sleep(0.01)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert seconds is not None or status == 0, f"the training failed with status {status}"
    return status == 0


def newest(folder: Path) -> float:
    """When the last checkpoint of a run was written."""
    return max((path.stat().st_mtime for path in folder.glob("checkpoints/*.npz")), default=0.0)


def main(folder: Path) -> None:
    """Train once without and once with kills."""
    attempt(folder / "unbroken", None)
    draw = random.Random()
    for _ in range(KILLS):
        seconds = draw.uniform(0, 2)
        if attempt(folder / "killed", seconds):
            print("finished before it was killed")
            return
        print(f"killed after {seconds:.2f} s")
    attempt(folder / "killed", None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
