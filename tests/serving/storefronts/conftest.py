"""A shop of 48 products with prices, as the bundle that reads and looks; on a store in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from bundle.proposals import Trends
from bundle.writer import BundleWriter
from catalog.memory import MemoryStore
from catalog.records import Item, ItemId
from catalog.schema import DatasetSchema
from serving.settings import Settings
from tests.bundle import senses
from tests.serving.conftest import client_of

SCHEMA = DatasetSchema.model_validate({
    "name": "wares",
    "items": {
        "main_category": {"kind": "multi"}, "sub_category": {"kind": "multi"},
        **{name: {"kind": "numeric"} for name in (
            "rating", "rating_count", "discount_price", "actual_price", "discount_ratio"
        )},
    },
    "interactions": {"search": {"query": True, "weight": 0, "polarity": "seen"}, "click": {}},
    "category": "main_category",
    "best_value": {"discount": "discount_ratio", "rating": "rating", "reviews": "rating_count"},
})  # fmt: skip
BARE, ELSEWHERE = 40, 41
"""Rows of a product of which only the name is known, and of one whose picture is on the web."""


def asin(row: int) -> str:
    return f"B{row:09d}"


def wares() -> list[Item]:
    listed = []
    for row in range(senses.N):
        item = senses.item(row)
        features = {
            "main_category": (senses.theme(row), "other"), "sub_category": (f"part {row % 3}",),
            "rating": 3.0 + row % 5 / 4, "rating_count": 100.0 + row, "discount_price": 100.5 + row,
            "actual_price": 200.0, "discount_ratio": (99.5 - row) / 200,
        }  # fmt: skip
        listed.append(dataclasses.replace(
            item, item_id=ItemId(asin(row)), features={} if row == BARE else features,
            image="https://cdn.example/41.jpg" if row == ELSEWHERE else item.image,
        ))  # fmt: skip
    return listed


def _proposals(writer: BundleWriter) -> None:
    """Trending: the last five rows, the very last most. Best value: the first rows."""
    rows = np.arange(43, 48, dtype=np.int32)
    writer.trends(Trends(rows, np.full(5, 400_000, np.int32), rows.astype(np.float32)))
    writer.value(
        np.where(np.arange(senses.N) < 10, 1.0 - np.arange(senses.N) / 100, np.nan).astype(np.float32)
    )


@pytest.fixture(scope="session")
def wares_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wares")
    return senses.make_sensing_bundle(folder, listed=wares(), schema=SCHEMA, further=_proposals)


@pytest.fixture
def counter(wares_bundle: Path) -> Iterator[TestClient]:
    """A client of the shop."""
    store = MemoryStore()
    store.put_items(wares())
    with client_of(Settings(bundle=wares_bundle, user_seconds=0), store.live()) as client:
        yield client
