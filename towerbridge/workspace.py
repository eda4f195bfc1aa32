"""Where this installation keeps things and how they are opened: here settings meet stores."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import ConfigError, NotReadyError

if TYPE_CHECKING:
    from bundle.registry import Registry
    from catalog.dataset import Dataset
    from catalog.mongo import MongoStore
    from catalog.schema import DatasetSchema
    from catalog.store import CatalogStore
    from embeddings.mongo import MongoEmbeddingStore
    from towerbridge.config import Config

DECLARATION = "dataset.toml"
NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,39}$")


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder `home` and the database server of one installation."""

    config: Config

    @property
    def home(self) -> Path:
        """Folder of everything below."""
        return self.config.home

    @property
    def dataset(self) -> str:
        """The name of the data set; that of its declaration where the settings give a path."""
        from catalog.declaration import read

        given = Path(self.config.dataset)
        if (given / DECLARATION).is_file():
            given = given / DECLARATION
        name = read(given).name if given.suffix == ".toml" else self.config.dataset
        if not NAME.match(name):
            raise ConfigError(
                f"a data set was expected by name, or as the path of a {DECLARATION}; {name!r} came"
            )
        return name

    @property
    def runs(self) -> Path:
        """Folder of the training runs on the data set, one folder each."""
        return self.home / "runs" / self.dataset

    def finished_runs(self) -> list[Path]:
        """The folders of the runs that are whole, oldest first."""
        from training.run import SUMMARY

        return sorted(path.parent for path in self.runs.glob(f"*/{SUMMARY}"))

    def latest_run(self) -> Path:
        """The run that finished last; NotReadyError where there is none."""
        finished = self.finished_runs()
        if not finished:
            raise NotReadyError(f"{self.dataset} has no finished training run: run `towerbridge train` first")
        return finished[-1]

    def unfinished_run(self) -> Path | None:
        """The run that was begun last, where it has not finished; None where it has."""
        from training.run import STARTED, SUMMARY

        begun = sorted(path.parent for path in self.runs.glob(f"*/{STARTED}"))
        return begun[-1] if begun and not (begun[-1] / SUMMARY).exists() else None

    @property
    def tuned(self) -> Path:
        """The file of knobs that `towerbridge tune` found for the data set."""
        return self.home / "tuned" / f"{self.dataset}.toml"

    @property
    def synonyms(self) -> Path:
        """Words that mean the same to those who search, where somebody wrote such a file; bundles carry it."""
        return self.home / "synonyms.toml"

    @property
    def bundles(self) -> Path:
        """Folder of the bundles made from the data set, one folder a version."""
        return self.home / "bundles" / self.dataset

    @property
    def reports(self) -> Path:
        """Folder of what has been measured of those, one file a version."""
        return self.home / "reports" / self.dataset

    @property
    def encoders(self) -> Path:
        """Folder of exported content encoders, which all data sets share: they are named by their weights."""
        return self.home / "encoders"

    @property
    def aligned(self) -> Path:
        """Folder of the image networks that were aligned with the data set's texts."""
        return self.home / "aligned" / self.dataset

    def open_dataset(self, data: Path | None, sized: bool, say: Callable[[str], None]) -> Dataset:
        """The raw files of the data set, or its generator.

        Args:
            data: The folder that was named for this very import; nothing is looked for elsewhere then.
            sized: Whether a size was asked for by flags, which only the simulated data set has.
            say: Is told, in sentences, what is fetched from where and under which licence.
        """
        from catalog.registry import open_dataset
        from catalog.simulated.dataset import SIMULATED
        from catalog.simulated.world import Size

        config = self.config
        size = Size(**config.simulated.model_dump()) if sized or config.dataset == SIMULATED else None
        return open_dataset(
            config.dataset, home=self.home, data=data, size=size, environment=self._environment(),
            database=config.sql, say=say,
        )  # fmt: skip

    @contextmanager
    def server(self) -> Iterator[str]:
        """The address of a MongoDB that is up: the configured one, else our own, stopped afterwards."""
        from catalog.mongod import open_server

        with open_server(self.home, self._environment()) as uri:
            yield uri

    @contextmanager
    def store(self) -> Iterator[MongoStore]:
        """The catalogue of a data set."""
        from catalog.mongo import MongoStore, database_name

        database = database_name(self.dataset)
        with self.server() as uri, MongoStore.open(uri, database) as store:
            yield store

    @contextmanager
    def stores(self) -> Iterator[tuple[MongoStore, MongoEmbeddingStore]]:
        """The catalogue and the embeddings of a data set."""
        from embeddings.mongo import MongoEmbeddingStore

        with self.store() as store:
            yield store, MongoEmbeddingStore(store.database)

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        """The models of the data set, with their stories where a MongoDB is configured or running.

        None is started for it: which version serves is a file, and a service makes up for what was not told.
        """
        from bundle.registry import Registry
        from catalog.ledger import Ledger, MemoryLedger
        from catalog.mongo import SELECTION_TIMEOUT_MS, database_name
        from catalog.mongo_ledger import MongoLedger
        from catalog.mongod import is_up

        with ExitStack() as stack:
            ledger: Ledger = MemoryLedger()
            if self.config.mongodb.uri or is_up(self.home):
                uri, database = stack.enter_context(self.server()), database_name(self.dataset)
                ledger = stack.enter_context(MongoLedger.open(uri, database, SELECTION_TIMEOUT_MS))
            yield Registry(self.bundles, ledger)

    def _environment(self) -> dict[str, str]:
        """The environment as the settings would have it; the layers below read it, not the settings."""
        from towerbridge.config import variable_of

        config = self.config
        given = {"mongodb.uri": config.mongodb.uri, "data": config.data}
        return {**os.environ, **{variable_of(key): str(value or "") for key, value in given.items()}}


def imported(store: CatalogStore, dataset: str) -> DatasetSchema:
    """The schema of a data set that was imported; NotReadyError where it was not."""
    schema = store.load_schema()
    if schema is None:
        raise NotReadyError(f"{dataset} is not imported yet: run `towerbridge import {dataset}` first")
    return schema
