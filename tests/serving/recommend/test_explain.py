"""What speaks for an item: parts that can be computed by hand, and that add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from bundle.graph import Graph
from bundle.reader import Bundle
from serving.catalogue import Rows
from serving.recommend.explain import PARTS, contributions, nearest, shares
from serving.recommend.pipeline import Pipeline
from tests.bundle import senses
from tests.serving.sensing import body_of

# Two near copies, one at right angles, one opposite.
VECTORS = np.array([[1, 0], [2, 0], [0, 1], [-1, 0]], np.float32)


def test_nearest_is_by_angle_and_of_equals_the_latest() -> None:
    rows, cosines = nearest(VECTORS, np.array([1, 2, 3]), np.array([0, 2, 0]), k=2)
    assert rows.tolist() == [[0, 2], [2, 0], [2, 0]]
    assert cosines[:, 0].tolist() == pytest.approx([1, 1, 0])
    rows, cosines = nearest(np.zeros((1, 2), np.float32), np.array([0]), np.array([0]), k=3)
    assert (rows.tolist(), cosines.tolist()) == ([[0, -1, -1]], [[0, 0, 0]])
    assert nearest(VECTORS, np.array([0]), np.array([], np.int64))[0].tolist() == [[-1, -1, -1]]


@pytest.fixture(scope="module")
def opened(sensing_bundle: Path) -> tuple[Rows, Graph]:
    bundle = Bundle.open(sensing_bundle)
    return Pipeline(bundle).catalogue.now, bundle.item_tower


def test_of_a_tower_that_is_a_sum_the_parts_are_its_addends(opened: tuple[Rows, Graph]) -> None:
    items, tower = opened
    rows = np.array([0, 5, senses.SILENT, senses.BLIND])
    user = np.random.default_rng(0).normal(size=senses.DIM).astype(np.float32)
    parts, (text, image, mask) = senses.weights(), senses.content()
    added = contributions(tower, items, rows, user)
    expected = {
        "text": (text @ parts["text"] @ user)[rows] * mask[rows, 0],
        "image": (image @ parts["image"] @ user)[rows] * mask[rows, 1],
        "behaviour": (parts["ids"][1:] @ user)[rows],
        "features": np.zeros(len(rows)),
    }
    for column, name in enumerate(PARTS):
        assert added[:, column] == pytest.approx(expected[name], abs=1e-4), name
    assert added[2, 0] == added[3, 1] == 0, "what is not there says nothing"


class Gated:
    """A tower that is no sum: text counts twice where there is a picture, and a picture alone nothing."""

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        text, image = feeds["content_mask"].T
        behaviour = feeds["item_row"] > 0
        return {"item_vector": (text * (1 + image) + 3 * behaviour + 0.5)[:, None].astype(np.float32)}


def test_of_any_tower_the_parts_add_up(opened: tuple[Rows, Graph]) -> None:
    """Shapley by hand: text 1 alone and 2 beside a picture, so 1.5; the picture 0 or 1, so 0.5."""
    items, _ = opened
    added = contributions(Gated(), items, np.array([0]), np.ones(1, np.float32))  # type: ignore[arg-type]
    assert added[0].tolist() == pytest.approx([1.5, 0.5, 3, 0.5])
    assert added[0].sum() == pytest.approx(5.5)


def test_shares_are_of_what_speaks_for_an_item() -> None:
    added = np.array([[3, -9, 1, 0], [-1, -1, -1, -1], [0, 0, 0, 0]], np.float32)
    assert shares(added).tolist() == [[0.75, 0, 0.25, 0], [0] * 4, [0] * 4]


def test_over_http(worker: TestClient) -> None:
    worker.post("/v1/items", json=body_of(senses.item(48)))
    answer = worker.get("/v1/users/u0/recommendations", params={"limit": 20, "explain": True}).json()
    by_id = {item["item_id"]: item["explanation"] for item in answer["items"]}
    for explanation in by_id.values():
        assert sum(explanation["shares"].values()) == pytest.approx(1, abs=1e-3)
        assert explanation["item_id"] == explanation["history"][0]["item_id"]
        cosines = [one["similarity"] for one in explanation["history"]]
        assert cosines == sorted(cosines, reverse=True)
        assert {one["item_id"] for one in explanation["history"]} <= {"i0", "i4", "i8", "i12"}
    new, trained = by_id["i48"]["shares"], by_id["i16"]["shares"]
    assert new["behaviour"] == 0 < trained["behaviour"], "nobody took the new one yet"
    assert new["text"] > 0 < new["image"]
    stranger = worker.get("/v1/users/nobody/recommendations", params={"explain": True}).json()
    assert {item["explanation"] for item in stranger["items"]} == {None}
