"""Fused cosines by hand, and against the vectors that they stand for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bundle.reader import Bundle
from catalog.records import History
from serving.catalogue import Rows
from serving.recommend.likeness import Weights, compare, item_profile, taste
from serving.recommend.pipeline import Pipeline
from tests.bundle import senses
from tests.serving.sensing import ids

WEIGHT = st.sampled_from([0.0, 0.25, 1.0, 4.0])


@pytest.fixture(scope="module")
def pipeline(sensing_bundle: Path) -> Pipeline:
    return Pipeline(Bundle.open(sensing_bundle))


def placed(items: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Texts and pictures where they are compared, as unit vectors."""
    assert items.content is not None
    assert items.places is not None
    text, image = items.places.spaces
    return text.place(items.content.text), image.place(items.content.image)


@given(text=WEIGHT, image=WEIGHT, behaviour=WEIGHT, row=st.integers(0, senses.N - 1))
def test_it_is_the_cosine_of_all_modalities_end_to_end(
    pipeline: Pipeline, text: float, image: float, behaviour: float, row: int
) -> None:
    items = pipeline.catalogue.now
    read, seen = placed(items)
    unit = items.vectors / items.lengths[:, None]
    parts = [np.sqrt(w) * v for w, v in ((text, read), (image, seen), (behaviour, unit))]
    whole = np.concatenate(parts, axis=1)
    lengths = np.linalg.norm(whole, axis=1)
    fused, _ = compare(items, item_profile(items, row), Weights(text, image, behaviour))
    common = (
        sum(np.outer(part[row].any(), part.any(1)).ravel() for part in parts) > 0
    )  # at least one modality that both have, and that counts
    expected = np.full(len(items), np.nan)
    known = common & (lengths > 0) & (lengths[row] > 0)
    expected[known] = (whole @ whole[row])[known] / (lengths * lengths[row])[known]
    assert fused == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_cosines_by_modality_and_what_is_missing(pipeline: Pipeline) -> None:
    items = pipeline.catalogue.now
    _, cosines = compare(items, item_profile(items, 0), Weights(1, 1, 1))
    assert cosines[0] == pytest.approx([1, 1, 1], abs=1e-5)
    assert np.isnan(cosines[senses.SILENT, 0])
    assert np.isnan(cosines[senses.BLIND, 1])
    rows = np.array([senses.BLIND, 3])
    some, _ = compare(items, item_profile(items, 0), Weights(1, 1, 0), rows)
    whole, _ = compare(items, item_profile(items, 0), Weights(1, 1, 0))
    assert some == pytest.approx(whole[rows])
    silent, _ = compare(items, item_profile(items, senses.SILENT), Weights(text=1))
    assert np.isnan(silent).all(), "there is nothing to compare by"
    without = replace(items, content=None)
    assert np.isnan(compare(without, item_profile(without, 0), Weights(1, 1, 0))[0]).all()
    assert compare(without, item_profile(without, 0), Weights(1, 1, 1))[0][0] == pytest.approx(1)


def test_texts_are_compared_by_what_sets_them_apart(pipeline: Pipeline) -> None:
    """Less the mean of the catalogue: what all texts share makes no two of them alike."""
    items = pipeline.catalogue.now
    _, cosines = compare(items, item_profile(items, 0), Weights(text=1))
    bare = replace(items, places=None)
    _, raw = compare(bare, item_profile(bare, 0), Weights(text=1))
    strangers = [
        row for row in range(senses.N) if senses.theme(row) != senses.theme(0) and row != senses.SILENT
    ]
    assert np.mean(cosines[strangers, 0]) < np.mean(raw[strangers, 0]) - 0.05
    assert cosines[0, 0] == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(raw[4, 0], items.content.text[4] @ items.content.text[0], atol=1e-5)  # type: ignore[union-attr]


def history(rows: list[int], types: list[int], values: list[float]) -> History:
    return History(np.array(rows), np.array(types), np.array(values, np.float32), np.arange(len(rows)) * 1.0)


def test_taste_is_what_was_liked_of_late(pipeline: Pipeline) -> None:
    """Ratings of 1 weigh nothing, of 5 twice what a rating without a value would; clicks half of that."""
    items: Rows = pipeline.catalogue.now
    texts, _ = placed(items)

    def cosine(events: History, row: int) -> float:
        text = taste(items, events, pipeline.space, senses.SCHEMA).text
        assert text is not None
        return float(text @ texts[row])

    assert cosine(history([0], [1], [5.0]), 0) == pytest.approx(1, abs=1e-5)
    assert cosine(history([0, 1], [1, 1], [5.0, 1.0]), 0) == pytest.approx(1, abs=1e-5)
    both = history([0, 1], [1, 2], [5.0, np.nan])
    expected = 2 * np.exp(-0.1) * texts[0] + 0.5 * texts[1]
    assert cosine(both, 0) == pytest.approx(float(expected @ texts[0] / np.linalg.norm(expected)), abs=1e-5)
    latest = taste(
        items, history([0] * 30 + [1] * 30, [2] * 60, [np.nan] * 60), pipeline.space, senses.SCHEMA
    )
    assert latest.text is not None
    assert latest.text @ texts[1] > 0.99 > latest.text @ texts[0]
    nothing = taste(items, History.empty(), pipeline.space, senses.SCHEMA)
    assert nothing.parts == (None, None, None)


class TestOverHttp:
    def test_similar_by_the_learned_vectors_and_by_weights(self, worker: TestClient) -> None:
        learned = worker.get("/v1/items/i0/similar", params={"limit": 3}).json()
        first = learned["items"][0]
        assert first["likeness"]["behaviour"] == pytest.approx(first["score"], abs=1e-4)
        by_text = worker.get("/v1/items/i0/similar", params={"w_text": 2, "limit": 11}).json()["items"]
        scores = [item["score"] for item in by_text]
        assert scores == sorted(scores, reverse=True)
        assert all(item["likeness"]["text"] == pytest.approx(item["score"], abs=1e-3) for item in by_text)
        assert "i0" not in [item["item_id"] for item in by_text]
        blind = worker.get(f"/v1/items/i{senses.BLIND}/similar", params={"w_image": 1})
        assert ids(blind) == []

    def test_similar_pages_filters_and_diversity(self, worker: TestClient) -> None:
        def similar(**query: object) -> list[str]:
            return ids(worker.get("/v1/items/i0/similar", params=query))  # type: ignore[arg-type]

        assert similar(limit=500) == similar(limit=20) + similar(limit=480, offset=20)
        assert len(similar(limit=500)) == senses.N - 2  # itself, and the hidden one
        assert set(similar(category="cooking", limit=500)) == {f"i{r}" for r in range(1, 48, 4)}
        assert "i4" not in similar(exclude="i4", limit=500)
        assert similar(limit=5, diversity=1) != similar(limit=5)

    def test_taken_together(self, worker: TestClient) -> None:
        assert ids(worker.get("/v1/items/i3/similar?by=covisitation")) == ["i7", "i11"]
        assert ids(worker.get("/v1/items/i3/similar?by=covisitation&offset=1")) == ["i11"]
        assert ids(worker.get("/v1/items/i47/similar?by=covisitation")) == []
        assert ids(worker.get(f"/v1/items/i{senses.HIDDEN - 4}/similar?by=covisitation")) == []

    def test_recommendations_by_weights_are_fused_cosines_to_the_history(self, worker: TestClient) -> None:
        at = "/v1/users/u0/recommendations"
        answer = worker.get(at, params={"w_text": 1, "w_image": 1, "w_behaviour": 1, "limit": 8})
        assert {item["source"] for item in answer.json()["items"]} == {"fused"}
        assert {item["metadata"]["theme"] for item in answer.json()["items"]} == {"space"}
        assert not {"i0", "i4", "i8", "i12"} & set(ids(worker.get(at, params={"w_text": 1, "limit": 500})))
        stranger = worker.get("/v1/users/nobody/recommendations", params={"w_text": 1}).json()
        assert "fused" not in {item["source"] for item in stranger["items"]}

    @pytest.mark.parametrize(
        "query", ["w_text=-1", "w_text=nan", "w_image=x", "w_text=0", "by=luck", "w_text=1001"]
    )
    def test_bad_weights_are_named(self, worker: TestClient, query: str) -> None:
        for path in ("/v1/items/i0/similar", "/v1/users/u0/recommendations"):
            if not (query.startswith("by") and "users" in path):
                assert worker.get(f"{path}?{query}").status_code == 422


def test_a_bundle_without_content_compares_by_what_it_has(tmp_path: Path) -> None:
    pipeline = Pipeline(Bundle.open(senses.make_sensing_bundle(tmp_path, with_content=False)))
    items = pipeline.catalogue.now
    assert items.content is None
    assert isinstance(item_profile(items, 0).behaviour, np.ndarray)
    assert np.isnan(compare(items, item_profile(items, 0), Weights(text=1))[0]).all()
