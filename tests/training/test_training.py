"""A short training on the simulated shop: what it learns, leaves behind, and how ONNX answers for TensorFlow."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from bundle.graph import OnnxGraph
from bundle.reader import Bundle
from catalog.errors import ConfigError, NotReadyError
from catalog.memory import MemoryStore
from catalog.progress import SILENT, Silent
from embeddings.store import MemoryEmbeddingStore
from tests.training.conftest import little_config, tiny
from towers.export import probe, to_onnx
from towers.features import FeatureSpace
from towers.frameworks import keras, tf, tfrs
from towers.ranker import Ranker
from training.course import Course
from training.dataset import TrainingData
from training.export import export, sample_inputs, tower_functions
from training.fit import fit
from training.lists import Crossed, forget, pick, training_lists
from training.order import Ordered, fit_order
from training.rating import RatedColumns, fit_rating
from training.retriever import fit_retriever
from training.run import Run
from training.split import next_item
from training.train import train

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def retriever(simulated):
    """Towers of one epoch, for everything that needs no good ones."""
    config = little_config(epochs=1)
    space = FeatureSpace.fit(simulated.schema, simulated.items, simulated.users, config.history)
    split = next_item(simulated).held_back(simulated, 10)
    keras.utils.set_random_seed(0)
    return fit_retriever(simulated, space, split, config, "towers", Course())


def test_onnx_answers_as_tensorflow_on_a_thousand_users_and_items(retriever, tmp_path):
    """Figure 5 of the design: at most 1e-4 in every output of every graph."""
    order = fit_order(retriever, _later(retriever), little_config(order_epochs=1), Course())
    rating = fit_rating(retriever, little_config(rating_epochs=1), Course())
    functions = {**tower_functions(retriever), "ranker": Ranker(order.head, rating.heads)}
    samples = sample_inputs(retriever, 1000, np.random.default_rng(1))
    for (name, function), inputs in zip(functions.items(), samples, strict=True):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(to_onnx(function, {key: array[:3] for key, array in inputs.items()}))
        answers = OnnxGraph.open(path).run(inputs)
        expected = probe(function, inputs).outputs
        assert set(answers) == set(expected)
        for output, array in expected.items():
            assert len(array) == 1000
            assert array.std() > 1e-3, "all the same: the comparison would prove nothing"
            np.testing.assert_allclose(answers[output], array, atol=1e-4, rtol=0, err_msg=f"{name}.{output}")


def _later(retriever):
    """The same towers with the split as it was before anything was held back."""
    return replace(retriever, split=next_item(retriever.data))


def test_the_run_can_be_opened_and_says_what_was_learned(run, simulated):
    again = Run.open(run.folder)
    assert again.summary == run.summary
    assert again.items == simulated.items
    assert again.summary.counts.items == 300
    assert again.summary.training["config"]["seed"] == 0
    validation = again.summary.metrics["validation"]
    assert set(validation) >= {"retrieval", "ranker", "rmse", "pipeline", "rules", "item_item", "popular"}
    worth = {
        name: each["ndcg@10"] for name, each in validation.items() if name != "rmse" and "recall@pool" in each
    }
    best = max(worth, key=lambda name: worth[name])
    assert again.summary.rank_by in (("ranker", "retrieval") if best == "pipeline" else (best,))
    np.testing.assert_array_equal(again.arrays["vectors"], run.arrays["vectors"])


def test_an_unfinished_run_is_not_one(run, tmp_path):
    with pytest.raises(NotReadyError, match="towerbridge train"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(NotReadyError, match=str(tmp_path)):
        Run.open(tmp_path)


def test_the_bundle_opens_verifies_and_replays_its_probes(bundle_path, run, simulated):
    bundle = Bundle.open(bundle_path)
    assert max(bundle.replay_probes().values()) < 1e-4
    learned = next_item(simulated).training(simulated.log)
    events = np.bincount(simulated.log.user_rows[learned], minlength=len(simulated.users))
    assert bundle.manifest.counts.users == (events > 0).sum() == 250
    assert len(run.user_ids) == (events >= 5).sum() == 248  # of the others the history tells as much as an id
    assert bundle.manifest.index.recall_at_100 == 1.0


def test_the_towers_in_the_bundle_retrieve_what_training_retrieved(bundle_path, run, simulated):
    """The bundle's own item tower and user tower, through ONNX, give the vectors that were indexed."""
    bundle = Bundle.open(bundle_path)
    tokens, numeric = FeatureSpace.load(bundle_path / "features.json").item_inputs(simulated.items)
    answers = bundle.item_tower.run({
        "item_row": np.asarray(bundle.embedding_rows), "item_tokens": tokens, "item_numeric": numeric,
        "text": simulated.content.text, "image": simulated.content.image, "content_mask": simulated.content.mask,
    })  # fmt: skip
    np.testing.assert_allclose(answers["item_vector"], bundle.vectors, atol=1e-4)


def test_same_seed_same_model(retriever, simulated):
    config = little_config(epochs=1)
    keras.utils.set_random_seed(0)
    again = fit_retriever(simulated, retriever.space, retriever.split, config, "towers", Course())
    np.testing.assert_allclose(again.vectors, retriever.vectors, atol=1e-5)
    assert again.fitted.best == pytest.approx(retriever.fitted.best, abs=1e-4)


def test_too_little_to_learn_from_is_said(tmp_path):
    with pytest.raises(NotReadyError, match="at least three items"):
        train(tiny([(0, 1), (0, 2), (1, 3)]), little_config(), tmp_path)
    with pytest.raises(NotReadyError, match="towerbridge import"):
        TrainingData.load(MemoryStore(), MemoryEmbeddingStore())


def test_a_device_that_is_not_there_is_one_sentence(simulated, tmp_path):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    with pytest.raises(ConfigError, match="no GPU"):
        train(simulated, little_config(device="cuda"), tmp_path)


class Scripted(tfrs.Model):
    """A model whose only weight is pulled up by one in every step."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight(name="w", shape=(), initializer="zeros")

    def compute_loss(self, inputs, training=False):
        return -self.w * inputs["x"][0]


def scripted(values, patience, **changed):
    model, answers = Scripted(), iter(values)
    weights = []

    def validate():
        weights.append(float(model.w))
        return next(answers)

    knobs = {"epochs": 10, "learning_rate": 0.1, "validate_every": 1, **changed}
    fitted = fit(
        model, label="scripted", batches=lambda: [{"x": np.ones(1, np.float32)}], steps=1, examples=1,
        validate=validate, patience=patience, rng=np.random.default_rng(0), course=Course(), **knobs,
    )  # fmt: skip
    return fitted, float(model.w), weights


def test_training_stops_early_and_keeps_the_best_weights():
    fitted, final, weights = scripted([0.1, 0.5, 0.4, 0.3, 0.9], patience=2)
    assert (fitted.best, fitted.best_epoch, fitted.epochs) == (0.5, 2, 4)
    assert final == pytest.approx(weights[1])
    assert [entry.get("validation") for entry in fitted.curve] == [0.1, 0.5, 0.4, 0.3]


def test_the_last_epoch_is_always_validated():
    fitted, _, weights = scripted([1.0, 2.0], patience=5, epochs=5, validate_every=3)
    assert fitted.best_epoch == 5
    assert len(weights) == 2


@pytest.mark.parametrize("batches", [1, 4, 7])
def test_progress_ends_at_its_total_however_many_batches_there_are(batches):
    """The number of batches is an estimate; here four, of ten examples."""

    class Counting(Silent):
        total, done = 0, 0

        def start(self, label, total):
            self.total += total

        def advance(self, count):
            assert count >= 0
            self.done += count

    counting = Counting()
    fit(
        Scripted(), label="scripted", batches=lambda: [{"x": np.ones(1, np.float32)}] * batches, steps=4,
        examples=10, validate=lambda: 1.0, patience=9, rng=np.random.default_rng(0), course=Course(counting),
        epochs=3, learning_rate=0.1, validate_every=1,
    )  # fmt: skip
    assert counting.done == counting.total == 30


def test_a_list_stands_for_its_whole_pool():
    rng = np.random.default_rng(0)
    for pool, right, size in ((500, 3, 64), (500, 499, 64), (70, 0, 64), (64, 10, 64), (40, 5, 40)):
        positions, weights = pick(pool, right, size, rng)
        assert positions[0] == right
        assert len(set(positions.tolist())) == size
        assert weights[0] == 1
        assert weights.sum() == pytest.approx(pool, rel=1e-5)


def test_lists_ask_only_about_events_the_towers_have_not_seen(retriever):
    data, split = retriever.data, retriever.split
    until = next_item(data).end
    lists = training_lists(
        retriever, until, Crossed(retriever), little_config(), np.random.default_rng(0), SILENT
    )
    assert len(lists.users) > 200
    later = {
        (int(u), int(data.log.item_rows[e]))
        for u in range(len(data.users)) for e in range(int(split.end[u]), int(until[u]))
    }  # fmt: skip
    assert {(int(u), int(r)) for u, r in zip(lists.users, lists.rows[:, 0], strict=True)} <= later
    seen = {(int(u), int(i)) for u in range(len(data.users))
            for i in data.log.item_rows[int(split.begin[u]):int(split.end[u])]}  # fmt: skip
    assert not {(int(u), int(i)) for u, row in zip(lists.users, lists.rows, strict=True) for i in row} & seen


def test_what_only_the_past_tells_is_forgotten_of_new_items():
    cross = np.ones((3, 4), np.float32)
    forget(cross, ("similarity", "covisitation", "content", "popularity"), np.array([True, False, True]))
    # what the towers and the content say is known of a new item too
    assert cross.tolist() == [[1, 0, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0]]


def test_some_candidates_are_shown_as_a_new_item_would_be(retriever):
    until = next_item(retriever.data).end
    config = replace(little_config(), order_unknown=0.3)
    lists = training_lists(retriever, until, Crossed(retriever), config, np.random.default_rng(0), SILENT)
    names = list(retriever.space.cross_features)
    similarity, popularity = (lists.cross[..., names.index(name)] for name in ("similarity", "popularity"))
    new = (popularity == 0) & (retriever.columns.popularity[lists.rows] > 0)
    assert 0.25 < new.mean() < 0.35
    unknown, log = retriever.model.item_vectors(known=False), retriever.data.log
    for user, rows, said, one in list(zip(lists.users, lists.rows, similarity, new, strict=True))[:20]:
        (event,) = np.flatnonzero((log.user_rows == user) & (log.item_rows == rows[0]))[:1]
        vector = retriever.user_vectors(np.array([user]), np.array([event]))[0]
        expected = np.where(one, unknown[rows] @ vector, retriever.vectors[rows] @ vector)
        np.testing.assert_allclose(said, expected, atol=1e-4)


def test_a_ranker_that_does_not_lift_is_not_the_order(retriever):
    worse = Ordered(None, None, {"ndcg@10": 0.2}, {"ndcg@10": 0.19})  # type: ignore[arg-type]
    better = Ordered(None, None, {"ndcg@10": 0.2}, {"ndcg@10": 0.21})  # type: ignore[arg-type]
    assert (worse.lifts, better.lifts) == (False, True)


def test_rating_histories_hold_no_event_that_is_held_out(retriever):
    data = retriever.data
    events = np.flatnonzero(~np.isnan(data.log.values))[::2]
    columns = RatedColumns(retriever, events)
    batch = columns.batch(events[:50])
    kept = {(int(data.log.user_rows[e]), int(data.log.item_rows[e])) for e in events}
    for event, rows in zip(events[:50], batch["rated_rows"], strict=True):
        user = int(data.log.user_rows[event])
        assert all((user, int(row) - 1) in kept for row in rows[rows > 0])


def test_without_values_there_is_no_rating_head(retriever, tmp_path):
    values = np.full(len(retriever.data.log), np.nan, np.float32)
    silent = retriever.data.with_log(replace(retriever.data.log, values=values))
    assert fit_rating(replace(retriever, data=silent), little_config(), Course()) is None
    order = fit_order(
        retriever, _later(retriever), little_config(order_epochs=1, order_examples=100), Course()
    )
    run = export(retriever, order, None, little_config(), {}, [], tmp_path)
    assert run.summary.heads == ("score",)
    assert run.summary.rating_range is None
    assert "rating" not in run.probes["ranker"].outputs
