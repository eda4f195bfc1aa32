"""Tabular rankers from towers of one epoch to a bundle that serves."""

from dataclasses import astuple, replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")
pytest.importorskip("catboost", reason="needs the extra `baselines`")

from bundle.reader import Bundle, Content
from catalog.records import Candidates
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import Query
from tests.training.conftest import little_config
from towers.features import FeatureSpace
from towers.frameworks import keras
from towers.ranker import RankerConfig
from towers.tabular import SIX, Counts, tabular_features
from training.build import build
from training.course import Course
from training.export import export
from training.questions import validation_questions
from training.retriever import fit_retriever
from training.running import Statistics
from training.split import next_item
from training.tabular import AsOf, fit_tabular
from training.texts import texts_of

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def final(simulated):
    """Towers of one epoch, on the split that ships."""
    config = little_config(epochs=1)
    space = FeatureSpace.fit(simulated.schema, simulated.items, simulated.users, config.history)
    keras.utils.set_random_seed(0)
    return fit_retriever(simulated, space, next_item(simulated), config, "towers", Course())


def statistics_of(final):
    """Of all that the split learns from."""
    log = final.data.log.take(final.split.training(final.data.log))
    return Statistics(log, final.space, final.columns.tokens, final.users.tokens)


def fitted(final, kind):
    config = little_config(order_examples=400, ranker=RankerConfig(kind=kind))
    early = replace(final, split=final.split.held_back(final.data, 10))
    return fit_tabular(early, final, config, Course()), config


def test_a_feed_is_ranked_from_training_to_answer(final, simulated, tmp_path):
    order, config = fitted(final, "catboost")
    card = order.part.card
    assert card.features[: len(SIX)] == SIX
    assert {"text_length", "cluster_14", "group_0", "weekday"} <= set(card.features)
    assert sum(card.importances.values()) == pytest.approx(1.0, abs=1e-4)
    assert all(0 <= reached <= 1 for reached in card.alone.values())
    run = export(final, order, None, config, {}, [], tmp_path / "run")
    assert run.summary.heads == ("score",)
    ranked = run.summary.model_copy(update={"rank_by": "ranker"})
    bundle = Bundle.open(build(replace(run, summary=ranked), tmp_path / "bundles"))
    assert bundle.tabular.card == card
    assert bundle.replay_probes()["ranker"] < 1e-5
    pipeline = Pipeline(bundle)
    state = validation_questions(simulated, next_item(simulated)).state(5)
    answer = pipeline.recommend(state, Query(limit=20))
    assert len(answer.rows) == 20
    assert not answer.degraded
    assert (np.diff(answer.scores) <= 0).all()
    # What is served is what the library says of the same numbers.
    found = Candidates(
        answer.rows, (bundle.vectors[answer.rows] @ _vector(pipeline, state)).astype(np.float32)
    )
    statistics = statistics_of(final)
    moment = statistics.moment(
        state.history, state.time, answer.rows, final.users.tokens[simulated.user_ids.row(state.user.user_id)]
    )
    end = statistics.moment(state.history, np.inf, answer.rows, np.zeros(1, np.int32))
    features = tabular_features(
        card.features, final.space, found,
        replace(
            moment, items=end.items, categories=end.categories, groups=_groups(bundle, pipeline, state),
            overall=end.overall,
        ),
        final.columns, order.part.facts.texts,
    )  # fmt: skip
    assert bundle.ranker.run({"features": features})["score"] == pytest.approx(answer.scores, abs=1e-4)

    # A post that comes later with the text of another is described as that one is.
    catalogue, known = pipeline.catalogue, simulated.items[7]
    content = Content(*(column[7:8] for column in astuple(catalogue.now.content)))
    (row,) = catalogue.put(catalogue.arrivals([replace(known, item_id="later")], content))
    texts = catalogue.now.texts
    assert (row, texts.lengths[row]) == (len(simulated.items), len(f"{known.title} {known.text}"))
    np.testing.assert_array_equal(texts.clusters[row], texts.clusters[7])
    assert np.isfinite(pipeline.recommend(state, Query(limit=20)).scores).all()


def _vector(pipeline, state):
    row = pipeline.bundle.users.row(state.user.user_id) + 1
    feeds = pipeline.space.user_inputs(state.user, row)
    feeds |= pipeline.space.history_inputs(state.history, pipeline.bundle.vectors)
    return pipeline.bundle.user_tower.run(feeds)["user_vector"][0]


def _groups(bundle, pipeline, state):
    facts = bundle.tabular.facts
    tokens = pipeline.space.user_inputs(state.user, 0)["user_tokens"][0]
    return Counts.of(facts.group_events, facts.group_liked, tokens)


def test_the_six_are_what_the_logistic_regression_reads(final):
    order, _ = fitted(final, "logistic")
    assert order.part.card.features == SIX
    assert order.probe.outputs["score"].std() > 0


def test_what_nobody_had_met_by_then_is_no_candidate(final, simulated):
    statistics = statistics_of(final)
    seen = AsOf(final, statistics, texts_of(simulated.items)[0], "logistic")
    log, learned = simulated.log, final.split.training(simulated.log)
    rows = np.arange(len(simulated.items))
    for event in (int(np.argsort(log.times)[150]), int(np.argmax(log.times))):
        met = np.unique(log.item_rows[learned & (log.times < log.times[event])])
        found = seen.known(Candidates(rows, np.zeros(len(rows), np.float32)), event)
        assert found.rows.tolist() == met.tolist()
