"""Where a training stands, on disk, so that it goes on after a kill as if nothing had happened.

A run folder that is being trained in holds `started.json`, which says what was begun, and in `checkpoints/` one
file for each fit. A file is replaced in one step, so a kill leaves the newest or the one before it. All of this
goes when the run is finished. It knows nothing of models: what stands still is arrays and numbers.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.durable import replace_text, sync
from catalog.errors import ConfigError, NotReadyError, RecommenderError
from training.config import TrainConfig
from training.dataset import TrainingData
from training.names import slug
from training.run import STARTED, SUMMARY
from training.split import Split

FOLDER = "checkpoints"
SHARE = 0.02
"""Of the time since the last checkpoint, at most so much is spent on the next one."""
SECONDS = 1.0
"""Checkpoints are at least so far apart."""

Arrays = list[NDArray[Any]]


class Started(BaseModel):
    """What a run that is not finished was begun with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    began: datetime
    dataset: str
    data: str
    """Fingerprint of everything that is learned from."""
    config: TrainConfig

    @classmethod
    def now(cls, data: TrainingData, split: Split, config: TrainConfig) -> Started:
        """A run that begins at this moment."""
        return cls(
            began=datetime.now(UTC), dataset=data.schema.name, data=fingerprint(data, split), config=config
        )


@dataclass(slots=True)
class Standing:
    """Where one fit stands: all that has to be as it was when the fit goes on."""

    rng: Mapping[str, Any]
    """State of the generator of batches when the epoch began."""
    epoch: int = 0
    """Epochs that are over."""
    step: int = 0
    """Batches of the next one that are done."""
    loss: float = 0.0
    """The sum of their losses."""
    best: float = -float("inf")
    best_epoch: int = 0
    since: int = 0
    """Validations since the best one."""
    seconds: float = 0.0
    """Time spent in training steps."""
    done: bool = False
    curve: list[dict[str, float]] = field(default_factory=list)
    weights: Arrays = field(default_factory=list)
    """Of the model; the best ones where the fit is done."""
    best_weights: Arrays = field(default_factory=list)
    optimiser: Arrays = field(default_factory=list)


ARRAYS = ("weights", "best_weights", "optimiser")


class Checkpoints:
    """The checkpoints of one run; without a folder none are kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._due = time.monotonic() + SECONDS

    @property
    def due(self) -> bool:
        """Whether enough was done since the last one to be worth the next."""
        return self._folder is not None and time.monotonic() >= self._due

    def load(self, label: str) -> Standing | None:
        """Where the fit of this name stood; None where it had not begun."""
        if self._folder is None or not (path := self._folder / f"{slug(label)}.npz").is_file():
            return None
        with np.load(path, allow_pickle=False) as found:
            document = json.loads(bytes(found["standing"]))
            for name in ARRAYS:
                document[name] = [found[f"{name}.{i}"] for i in range(document[name])]
        return Standing(**document)

    def save(self, label: str, standing: Standing) -> None:
        """Write where a fit stands; the file of before stays until this one is whole."""
        if self._folder is None:
            return
        began = time.monotonic()
        document = {each.name: getattr(standing, each.name) for each in fields(standing)}
        arrays = {f"{name}.{i}": array for name in ARRAYS for i, array in enumerate(document[name])}
        document |= {name: len(document[name]) for name in ARRAYS}
        text = np.frombuffer(json.dumps(document).encode(), np.uint8)
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{slug(label)}.npz"
        fresh = path.with_suffix(".writing")
        with fresh.open("wb") as out:
            np.savez(out, standing=text, **arrays)
        sync(fresh)
        fresh.replace(path)
        sync(self._folder)
        now = time.monotonic()
        self._due = now + max(SECONDS, (now - began) / SHARE)


class Unfinished:
    """A run folder while it is being trained in; nobody else can train in it meanwhile.

    with Unfinished(folder, started) as run:
        ... fits that are told of run.checkpoints ...
        run.finish()
    """

    def __init__(self, folder: Path, started: Started) -> None:
        """Begin a run in a folder, or go on with the one that was begun there.

        Raises:
            ConfigError: what was begun there differs in data or settings, or another process trains there.
        """
        self.folder = folder
        self.checkpoints = Checkpoints(folder / FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / STARTED
        if path.is_file():
            same_run(folder, started)
        else:
            replace_text(path, started.model_dump_json(indent=1) + "\n")
        self._lock: BinaryIO = path.open("rb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ConfigError(
                f"expected a run that nobody else trains, but another process trains {folder}; wait for it"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.close()

    def finish(self) -> None:
        """Remove all that was only for going on; what is left is the finished run."""
        (self.folder / STARTED).unlink()
        shutil.rmtree(self.folder / FOLDER, ignore_errors=True)


def read_started(folder: Path) -> Started:
    """What was begun in a folder.

    Raises:
        NotReadyError: nothing was, or by another version of Towerbridge.
    """
    try:
        return Started.model_validate_json((folder / STARTED).read_bytes())
    except (OSError, ValidationError) as exc:
        raise NotReadyError(
            f"expected an unfinished training run in {folder}, found {type(exc).__name__}; begin a new one"
        ) from exc


def same_run(folder: Path, wanted: Started) -> None:
    """Refuse to go on with a run on other data or with other settings than it was begun with."""
    begun = read_started(folder)
    if (begun.dataset, begun.data) != (wanted.dataset, wanted.data):
        raise ConfigError(
            f"expected the data that {folder} was begun with on {begun.began:%Y-%m-%d %H:%M}, but it has changed "
            "since; begin a new run"
        )
    before, now = asdict(begun.config), asdict(wanted.config)
    changed = [f"{name} = {before[name]!r}, now {now[name]!r}" for name in now if before[name] != now[name]]
    if changed:
        raise ConfigError(
            f"expected the settings that {folder} was begun with: {'; '.join(changed)}; begin a new run"
        )


def can_go_on(folder: Path, wanted: Started) -> bool:
    """Whether a run that was begun in a folder is the wanted one, and nobody is at it."""
    try:
        with Unfinished(folder, wanted):
            return True
    except RecommenderError:
        return False


def killed(runs: Path) -> list[Path]:
    """The folders of runs that were begun and not finished, and that nobody trains now; oldest first."""
    begun = sorted(path.parent for path in runs.glob(f"*/{STARTED}"))
    return [path for path in begun if not (path / SUMMARY).exists() and not _trained_in(path)]


def _trained_in(folder: Path) -> bool:
    try:
        with (folder / STARTED).open("rb") as started:
            fcntl.flock(started, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:  # it ended just now
        return False
    except OSError:
        return True
    return False


def fingerprint(data: TrainingData, split: Split) -> str:
    """A digest of everything that a training reads; 1 GB takes about a second."""
    digest = hashlib.blake2b(digest_size=16)
    log, content = data.log, data.content
    digest.update(repr((data.schema, data.item_ids.ids, data.user_ids.ids)).encode())
    digest.update(
        repr([item.features for item in data.items] + [user.features for user in data.users]).encode()
    )
    for array in (
        log.user_rows, log.item_rows, log.types, log.values, log.times, split.begin, split.end, split.validation,
        content.text, content.image, content.mask,
    ):  # fmt: skip
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
