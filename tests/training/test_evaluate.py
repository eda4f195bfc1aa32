"""Whole evaluations of short trainings, and the new user over HTTP."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from bundle.reader import Bundle
from catalog.errors import BundleError, ConfigError
from catalog.memory import MemoryStore
from catalog.records import IdMap
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig, Query
from serving.settings import Settings
from tests.serving.conftest import client_of
from tests.training.conftest import little_config, tiny
from training.dataset import Content
from training.evaluate import evaluate, examined_bundle
from training.protocols import cold_item, new_user
from training.protocols.exam import part_of

from catalog.progress import SILENT  # isort: skip

pytestmark = pytest.mark.train
SHORT = {"epochs": 1, "order_epochs": 1, "order_examples": 100, "rating_epochs": 1}


def test_the_trained_pipeline_beats_most_popular(bundle_path, simulated):
    report = evaluate(bundle_path, simulated, ["next_item"])
    figures = report["protocols"]["next_item"]
    assert report["model_version"] == bundle_path.name
    assert figures["pipeline"]["ndcg@10"] > 1.3 * figures["most_popular"]["ndcg@10"]
    assert figures["retrieval"]["recall@500"] == 1.0  # 300 items
    assert json.loads(json.dumps(report))["protocols"] == report["protocols"]
    assert report["details"]["next_item"]["seed"] == 0


def test_items_that_came_since_are_left_out_with_what_was_done_with_them(bundle_path, simulated):
    """As many items again, each a step before the old one's row, and events on them before each user's others."""
    n = len(simulated.items)
    more = [replace(item, item_id=f"new-{item.item_id}") for item in simulated.items]
    items = tuple(each for pair in zip(more, simulated.items, strict=True) for each in pair)
    log, first = simulated.log, np.repeat(np.arange(len(simulated.log)), 2)
    rows = log.item_rows[first] * 2
    rows[1::2] += 1
    grown = replace(
        simulated, items=items, item_ids=IdMap.of(item.item_id for item in items),
        log=replace(log.take(first), item_rows=rows),
        content=replace(
            simulated.content,
            **{name: getattr(simulated.content, name).repeat(2, 0) for name in ("text", "image", "mask")},
        ),
    )  # fmt: skip
    again = grown.with_items(simulated.item_ids.ids)
    assert again.items == simulated.items
    for name in ("user_rows", "item_rows", "times", "types"):
        np.testing.assert_array_equal(getattr(again.log, name), getattr(log, name))
    np.testing.assert_array_equal(again.content.text, simulated.content.text)
    was, now = (evaluate(bundle_path, data, ["next_item"], users=20) for data in (simulated, grown))
    assert (was["newer_items"], now["newer_items"]) == (0, n)
    assert now["protocols"] == was["protocols"]


def test_the_rating_protocol_learns_values(bundle_path, simulated):
    config = little_config(rating_epochs=6)
    report = evaluate(
        bundle_path, simulated, ["rating"], config=config, folds=[1], baselines=["top_rated", "ease"]
    )
    found = report["protocols"]["rating"]
    spread = float(np.nanstd(simulated.log.values))
    assert set(found["folds"]) == {"u1"}
    assert found["mean"] == found["folds"]["u1"] < spread
    # EASE has no opinion on ratings.
    assert set(found["baselines"]) == {"top_rated"}
    assert 0.5 * spread < found["baselines"]["top_rated"]["mean"] < 1.1 * spread


def test_cold_items_are_in_the_bundle_without_an_id_and_without_a_past(simulated, bundle_path):
    exam = cold_item.exam(simulated)
    cold = part_of(cold_item.PARTS, simulated.item_ids.ids) == 0
    with examined_bundle(exam, Bundle.open(bundle_path), little_config(**SHORT), SILENT) as bundle:
        assert bundle.path != bundle_path
        assert not bundle.embedding_rows[cold].any()
        assert not bundle.popularity[cold].any()
        assert (bundle.embedding_rows[~cold] > 0).mean() > 0.9
        assert np.ptp(bundle.vectors[cold], axis=0).min() > 0
        state = exam.tables["cold_item"].state(0)
        names = [simulated.item_ids.ids[row] for row in np.flatnonzero(cold)]
        assert len(Pipeline(bundle).rank(state, names).rows) == cold.sum()
        assert bundle.manifest.heads == ("score",), "nobody asks for a rating"


def test_a_new_user_gets_over_http_what_the_protocol_marks(simulated, bundle_path):
    """Their history arrives by POST, then they are asked about: the answer is that of the pipeline on the state."""
    asked = new_user.exam(simulated).tables["new_user"]
    bundle = Bundle.open(bundle_path)
    pipeline = Pipeline(bundle, PipelineConfig(candidates=Settings().candidates))
    types, log = list(simulated.schema.interactions), simulated.log
    store = MemoryStore()
    store.put_items(simulated.items)
    with client_of(Settings(bundle=bundle_path, user_seconds=0), store.live()) as client:
        for question in range(3):
            user = f"somebody-new-{question}"
            events = [
                {
                    "user_id": user,
                    "item_id": simulated.item_ids.ids[int(log.item_rows[at])],
                    "type": types[int(log.types[at]) - 1],
                    "timestamp": float(log.times[at]),
                    **({} if np.isnan(log.values[at]) else {"value": float(log.values[at])}),
                }
                for at in range(int(asked.begin[question]), int(asked.end[question]))
            ]
            told = client.post("/v1/interactions", json=events)
            assert told.json() == {"accepted": len(events), "errors": []}
            answer = client.get(f"/v1/users/{user}/recommendations", params={"limit": 20}).json()
            expected = pipeline.recommend(asked.state(question), Query(limit=20)).rows
            assert [item["item_id"] for item in answer["items"]] == [
                simulated.item_ids.ids[row] for row in expected
            ]


def test_what_a_data_set_does_not_have_is_left_out_and_said(simulated, bundle_path):
    bare = simulated.with_log(simulated.log)
    kinds = {name: kind for name, kind in simulated.schema.interactions.items() if not kind.value}
    silent = simulated.schema.model_copy(update={"interactions": {**kinds}})
    codes = np.array([0, *(silent.type_code(name) for name in simulated.schema.interactions)])
    log = bare.log.take(codes[bare.log.types] > 0)
    log = replace(log, types=codes[log.types])
    without = replace(bare, schema=silent, log=log, content=Content.none(len(bare.items)))
    report = evaluate(bundle_path, without, ["rating", "next_item"], baselines=["content", "top_rated"])
    assert list(report["protocols"]) == ["next_item"]
    assert "no ratings to predict" in report["details"]["rating"]["left_out"]
    told = report["details"]["next_item"]["baselines"]
    assert "towerbridge embed" in told["content"]["left_out"]
    assert "ratings" in told["top_rated"]["left_out"]
    assert "content" not in report["protocols"]["next_item"]


def test_a_catalogue_that_has_changed_is_refused(bundle_path):
    with pytest.raises(BundleError, match=r"found no '.*' among its 6; .* train and build again"):
        evaluate(bundle_path, tiny([(0, 1)]), ["next_item"])


def test_what_is_not_known_is_refused_before_anything_is_opened(tmp_path, simulated):
    with pytest.raises(ConfigError, match=r"next_item.*'?warm_item"):
        evaluate(tmp_path, simulated, ["warm_item"])
    with pytest.raises(ConfigError, match=r"most_popular.*'svd'"):
        evaluate(tmp_path, simulated, ["next_item"], baselines=["svd"])
