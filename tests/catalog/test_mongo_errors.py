"""Every error of the driver becomes a StoreError that says what it means."""

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator

import pymongo.errors
import pytest

from catalog.errors import StoreError
from catalog.mongo import DRIVER_ERRORS, MongoStore, store_errors
from catalog.mongo_live import MongoLiveStore
from tests.patience import free_port


def driver_errors() -> Iterator[type[Exception]]:
    for name in dir(pymongo.errors):
        kind = getattr(pymongo.errors, name)
        if isinstance(kind, type) and issubclass(kind, pymongo.errors.PyMongoError):
            yield kind


@pytest.mark.parametrize("kind", list(driver_errors()), ids=lambda kind: kind.__name__)
def test_each_is_translated(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "inner")
    with pytest.raises(StoreError, match=r"^doing this: .*MongoDB") as caught, store_errors("doing this"):
        raise error
    assert caught.value.__cause__ is error


def test_the_table_has_no_row_that_an_earlier_one_hides() -> None:
    for position, (kind, _) in enumerate(DRIVER_ERRORS):
        assert not any(issubclass(kind, earlier) for earlier, _ in DRIVER_ERRORS[:position])


def test_other_errors_pass_through() -> None:
    with pytest.raises(KeyError), store_errors("doing this"):
        raise KeyError("ours")


@pytest.fixture
def nobody() -> str:
    """The address of a port on which nobody listens."""
    return f"mongodb://127.0.0.1:{free_port()}"


def test_an_absent_server_is_an_answer_within_the_timeout(nobody: str) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match="no MongoDB server answered"):
        MongoStore.open(nobody, "x", selection_timeout_ms=200)
    assert time.monotonic() - began < 15, "and not within the driver's half a minute"


def test_serving_is_told_too(nobody: str) -> None:
    async def ask() -> None:
        async with MongoLiveStore.open(nobody, "x", selection_timeout_ms=200) as store:
            for question in (store.ping(), store.user("a"), store.recent("a", 5)):
                with pytest.raises(StoreError, match="no MongoDB server answered"):
                    await question

    # The driver forgets a socket when its monitor is cancelled in the middle of a connection attempt.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(ask())
        gc.collect()


@pytest.mark.parametrize("uri", ["postgres://x", "mongodb://", "mongodb://h:port"])
def test_a_malformed_address_is_named(uri: str) -> None:
    for kind in (MongoStore, MongoLiveStore):
        with pytest.raises(StoreError, match=r"not a valid URI|not accepted"):
            kind.open(uri, "x")
