"""What a report shows beside its figures: calibration of predicted ratings, and answers to be looked at."""

from dataclasses import replace

import numpy as np
import pytest

from bundle.reader import Bundle
from catalog.memory import MemoryStore
from catalog.records import Interaction, ItemId, UserId
from embeddings.store import MemoryEmbeddingStore
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import Query, UserState
from tests.bundle.make import SCHEMA, USERS, item_id, items, make_bundle
from training.calibration import binned, calibrate
from training.dataset import TrainingData
from training.examples import examples
from training.protocols import next_item

RATERS = 36


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("bundles")))


@pytest.fixture(scope="module")
def data():
    """Everybody rated five items of one colour, 1 to 5 in turn; the last one is the test."""
    store = MemoryStore()
    store.save_schema(SCHEMA)
    store.put_items(items())
    people = [replace(USERS[0], user_id=UserId(f"p{number:02}")) for number in range(RATERS)]
    store.put_users(people)
    store.put_interactions([
        Interaction(user.user_id, ItemId(item_id((number + 4 * nth) % 36)), "rating", 1000.0 * nth, 5.0)
        for number, user in enumerate(people) for nth in range(5)
    ])  # fmt: skip
    return TrainingData.load(store, MemoryEmbeddingStore())


def test_bins_hold_equal_numbers_in_order_of_prediction():
    predicted = np.array([4.0, 1.0, 2.0, 3.0])
    given = np.array([5.0, 1.0, 2.0, 4.0])
    low, high = binned(predicted, given, most=5, least=2)
    assert (low.predicted, low.given, low.ratings) == (1.5, 1.5, 2)
    assert (high.predicted, high.given, high.ratings) == (3.5, 4.5, 2)
    # Two gifts that differ by 1 deviate by 1 / √2; their mean by half of that times √2.
    assert low.error == pytest.approx(1.96 * 0.5)


def test_few_ratings_make_one_bin():
    (only,) = binned(np.array([3.0, 4.0]), np.array([3.0, 3.0]), most=10, least=30)
    assert (only.ratings, only.error) == (2, 0.0)


def test_gifts_at_random_are_calibrated_only_at_their_mean():
    rng = np.random.default_rng(0)
    predicted, given = rng.uniform(1, 5, 5000), rng.uniform(1, 5, 5000)
    bins = binned(predicted, given)
    assert len(bins) == 10
    assert all(abs(each.given - 3) < 2 * each.error for each in bins)
    assert bins[0].predicted < 1.5 < 4.5 < bins[-1].predicted


def test_a_bundle_is_asked_for_the_last_rating_of_everybody_knowing_those_before(bundle, data):
    found = calibrate(bundle, data)
    (only,) = found.bins
    assert (only.ratings, only.given, only.error) == (RATERS, 5.0, 0.0)
    assert (found.lowest, found.highest) == (1.0, 5.0)
    predicted = []
    for user in range(RATERS):
        at = 5 * user + 4
        history = data.log.history(5 * user, at)
        state = UserState(data.users[user], history, np.unique(history.rows))
        answer = Pipeline(bundle).rank(state, [data.item_ids.ids[int(data.log.item_rows[at])]])
        predicted.append(float(answer.ratings[0]))
    assert len(set(predicted)) > 4
    assert only.predicted == pytest.approx(np.mean(predicted))
    assert found.rmse == pytest.approx(np.sqrt(np.mean((5 - np.array(predicted)) ** 2)))


def test_without_ratings_or_with_few_there_is_nothing_to_calibrate(bundle, data):
    clicks = SCHEMA.model_copy(update={"interactions": {"click": SCHEMA.interactions["click"]}})
    assert calibrate(bundle, replace(data, schema=clicks)) is None
    few = data.with_log(data.log.take(data.log.user_rows < 20))
    assert calibrate(bundle, few) is None


def test_examples_are_answers_of_the_pipeline(bundle, data):
    found = examples(bundle, data, count=3, latest=2)
    assert len(found) == 3
    assert found == examples(bundle, data, count=3, latest=2)
    asked = next_item.exam(data).tables["next_item"]
    for each in found:
        (question,) = np.flatnonzero(asked.users == data.user_ids.row(each.user_id))
        state = asked.state(question)
        assert data.items[int(asked.right[question])] == each.taken
        assert not set(state.seen.tolist()) & {data.item_ids.row(item.item_id) for item in each.shown}
        whole = Pipeline(bundle).recommend(state, Query(limit=500)).rows.tolist()
        assert [data.item_ids.row(item.item_id) for item in each.shown] == whole[:10]
        assert each.place == whole.index(data.item_ids.row(each.taken.item_id)) + 1
        assert each.events == 4 > len(each.history) == 2
        assert each.history[0] == data.items[int(state.history.rows[-1])]
