"""Every baseline against the same demands, and what each computes, by hand."""

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from catalog.errors import ConfigError, NotReadyError
from catalog.records import InteractionLog
from catalog.schema import DatasetSchema
from tests.training.conftest import tiny
from training.answers import answer_scores
from training.baselines import registry
from training.baselines.affinity import NAMES, six
from training.baselines.baseline import Learned, RatingBaseline
from training.baselines.catboost_alone import CatboostAlone
from training.baselines.content import Content
from training.baselines.ease import Ease
from training.baselines.item_knn import ItemKnn
from training.baselines.most_popular import MostPopular
from training.baselines.neural_cf import NeuralCf
from training.baselines.registry import BASELINES, PACKAGES, check, fitted, validation
from training.baselines.second_stage import HELD, WRONG, examples
from training.baselines.top_rated import TopRated
from training.baselines.trending import DAY, Trending
from training.baselines.user_knn import UserKnn
from training.dataset import Content as Vectors
from training.metrics import PER_USER, rmse
from training.protocols.registry import PROTOCOLS
from training.questions import STRANGER, Questions
from training.split import everything, next_item

pytestmark = pytest.mark.train
QUICK = {"epochs": 2, "iterations": 5, "trees": 10, "examples": 300}
COLLABORATIVE = ("item_knn", "user_knn", "ease", "ease_recency", "ials", "bpr", "lightfm", "neural_cf")


def little(name):
    """The baseline with a training of moments."""
    package = PACKAGES.get(name)
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed: the extra `baselines` brings it")
    baseline = BASELINES[name][0]
    quick = {knob: value for knob, value in QUICK.items() if hasattr(baseline, knob)}
    return replace(baseline, **quick)


@pytest.fixture(scope="module")
def learned(simulated):
    return Learned.of(simulated, next_item(simulated))


@pytest.fixture(scope="module")
def fit(learned):
    """Baselines by name, each learned once."""
    return cache(lambda name: little(name).fit(learned))


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_scores_known_people_strangers_and_those_without_a_history(name, learned, fit):
    scores = fit(name)
    asked = validation(learned)
    some = next(asked.chunks(6))
    kinds = {
        "known": some,
        "strangers": replace(some, users=np.full(6, STRANGER)),
        "without a history": replace(some, end=some.begin),
        "strangers without a history": replace(some, users=np.full(6, STRANGER), end=some.begin),
    }
    for kind, each in kinds.items():
        found = scores(each)
        assert found.shape == (6, len(learned.data.items)), kind
        assert np.isfinite(found).all(), kind


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "random"])
def test_answers_do_not_depend_on_who_else_is_asked_nor_on_what_comes_later(name, learned, fit):
    scores = fit(name)
    some = next(validation(learned).chunks(4))
    together = scores(some)
    apart = np.concatenate([scores(one) for one in some.chunks(1)])
    np.testing.assert_allclose(apart, together, rtol=1e-4, atol=1e-4)
    # The same log, with everything after these histories replaced: nobody may have looked at it.
    log, later = some.data.log, np.ones(len(some.data.log), bool)
    for begin, end in zip(some.begin, some.end, strict=True):
        later[begin:end] = False
    other = np.where(later, 0, log.item_rows)
    changed = InteractionLog(log.user_rows, other, log.types, log.values, log.times, log.folds)
    np.testing.assert_array_equal(scores(replace(some, data=some.data.with_log(changed))), together)


@pytest.mark.parametrize("name", BASELINES)
def test_the_same_seed_learns_the_same(name, learned, fit):
    some = next(validation(learned).chunks(3))
    first = little("random").fit(learned) if name == "random" else fit(name)
    np.testing.assert_allclose(first(some), little(name).fit(learned)(some), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", COLLABORATIVE)
def test_a_checkerboard_is_seen_through(name):
    """Even users take even items, odd ones odd items; of each user's side some items are left to be found."""
    rng, users, items = np.random.default_rng(0), 40, 30
    events = []
    for user in range(users):
        mine = [item for item in range(items) if item % 2 == user % 2]
        events += [(user, item) for item in rng.permutation(mine)[:9]]
    data = tiny(events, items=items, users=users)
    learned = Learned.of(data, everything(data))
    bounds = data.log.user_bounds(users)
    pairs = np.arange(users), np.array([user % 2 for user in range(users)])
    asked = Questions.of(data, np.arange(users), bounds[:-1], bounds[1:], pairs)
    baseline = little(name)
    long = {"epochs": 30, "iterations": 400, "factors": 8, "learning_rate": 0.05}
    baseline = replace(baseline, **{knob: value for knob, value in long.items() if hasattr(baseline, knob)})
    top = answer_scores(asked, baseline.fit(learned), learned.popularity).top[:, :6]
    own = (top % 2) == (np.arange(users) % 2)[:, None]
    # There are six left on their own side and fifteen on the other.
    assert own.mean() > 0.8


#          user 0: 0 1 2;  user 1: 0 1 3;  user 2: 0
EVENTS = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 3), (2, 0)]


@pytest.fixture
def small():
    data = tiny(EVENTS, items=5)
    return Learned.of(data, everything(data))


def ask(learned, *users):
    """The users after all of their events."""
    users = np.array(users)
    bounds = learned.data.log.user_bounds(len(learned.data.users))
    pairs = np.arange(len(users)), np.full(len(users), 4)
    return Questions.of(learned.data, users, bounds[users], bounds[users + 1], pairs)


def test_popularity_counts_training_events(small):
    assert MostPopular().fit(small)(ask(small, 0, 2)).tolist() == [[3, 2, 1, 1, 0]] * 2


def test_neighbours_of_items_by_hand(small):
    """Item 1 was taken by users 0, 1: cosine 2 / √(3·2) with item 0, 1 / √2 with items 2 and 3."""
    found = ItemKnn(10).fit(small)(ask(small, 2))[0]
    assert found == pytest.approx([0, 2 / np.sqrt(6), 1 / np.sqrt(3), 1 / np.sqrt(3), 0])
    nearest = ItemKnn(1).fit(small)(ask(small, 2))[0]
    assert nearest == pytest.approx([0, 2 / np.sqrt(6), 0, 0, 0])


def test_neighbours_of_users_by_hand(small):
    """User 2 is 1 / √3 from either of the others; user 0 is 2 / 3 from user 1 and 1 / √3 from user 2."""
    found = UserKnn(10).fit(small)(ask(small, 2, 0))
    assert found[0] == pytest.approx(np.array([2, 2, 1, 1, 0]) / np.sqrt(3))
    assert found[1] == pytest.approx([2 / 3 + 1 / np.sqrt(3), 2 / 3, 0, 2 / 3, 0])


def test_ease_is_the_ridge_regression_of_each_item_on_the_others(small):
    """The closed form against the normal equations of one column (item 1), solved with its own weight held at 0."""
    reg, matrix = 2.0, small.matrix.toarray().astype(float)
    others = [0, 2, 3, 4]
    left = matrix[:, others].T @ matrix[:, others] + reg * np.eye(4)
    weights = np.linalg.solve(left, matrix[:, others].T @ matrix[:, 1])
    history = np.array([1, 0, 0, 0, 0])
    assert Ease(reg).fit(small)(ask(small, 2))[0, 1] == pytest.approx(history[others] @ weights, abs=1e-6)


def rated(values):
    """Two users' ratings of three items, one a second."""
    data = tiny([(0, 0), (0, 1), (1, 0), (1, 2)], types=[2] * 4, items=3, users=2)
    return data.with_log(replace(data.log, values=np.array(values, np.float32)))


def test_mean_ratings_are_drawn_towards_the_overall_mean():
    data = rated([5, 1, 4, 2])
    learned = Learned.of(data, everything(data))
    means = TopRated(prior=2).fit_ratings(learned)(np.zeros(3, np.int64), np.arange(3))
    assert means == pytest.approx([(9 + 2 * 3) / 4, (1 + 2 * 3) / 3, (2 + 2 * 3) / 3])


def test_without_ratings_the_top_rated_is_nobody(small):
    with pytest.raises(NotReadyError, match="found none"):
        TopRated().fit(small)


def test_popularity_fades_and_knows_no_future():
    data = tiny([(0, 0), (0, 1), (1, 1), (1, 2), (2, 3)], items=4)
    times = np.array([0.0, 1.0, 1.0, 3.0, 9.0]) * DAY
    data = data.with_log(replace(data.log, times=times))
    learned = Learned.of(data, everything(data))
    users, at = np.array([1, 0, 2]), np.array([4, 1, 4])
    pairs = np.arange(3), np.full(3, 3)
    asked = Questions.of(data, users, np.array([2, 0, 4]), at, pairs)
    found = Trending(days=2).fit(learned)(asked)
    fade = np.exp(-np.arange(10) / 2)
    assert found[0] == pytest.approx([fade[3], 2 * fade[2], fade[0], 0])  # on day 3
    assert found[1] == pytest.approx([1, 0, 0, 0])  # on day 0
    assert found[2] == pytest.approx([fade[9], 2 * fade[8], fade[6], 1])  # without a history: at the end


def test_content_sums_the_nearest_cosines(small):
    """Unit vectors at 0°, 90°, 45°, 45° and one that is missing; user 2's history is item 0, user 0's items 0-2."""
    text = np.array([[2, 0], [0, 1], [1, 1], [3, 3], [5, 5]], np.float32)
    mask = np.array([[1, 0]] * 4 + [[0, 0]], np.float32)
    data = replace(small.data, content=Vectors(text, np.zeros((5, 1), np.float32), mask, "some"))
    learned = replace(small, data=data)
    half = np.sqrt(0.5)
    for nearest, user, expected in (
        (5, 2, [1, 0, half, half, 0]),
        (1, 0, [1, 1, 1, 1, 0]),
        (2, 0, [1 + half, 1 + half, 1 + half, 1 + half, 0]),
        (9, 0, [1 + half, 1 + half, 1 + 2 * half, 1 + 2 * half, 0]),
    ):
        scores = Content(nearest, centred=False).fit(learned)(ask(learned, user))
        assert scores[0] == pytest.approx(expected), nearest
    # The mean of those that are there is (1.5, 1.25): from it item 0 lies at (0.5, -1.25), item 1 at (-1.5, -0.25).
    centred = Content().fit(learned)(ask(learned, 2))[0]
    assert centred[1] == pytest.approx((-0.75 + 0.3125) / np.hypot(0.5, 1.25) / np.hypot(1.5, 0.25))
    assert centred[4] == 0
    with pytest.raises(NotReadyError, match="towerbridge embed"):
        Content().fit(small)


def test_whom_a_network_has_not_learned_is_the_mean_of_all_others():
    """Users 0 and 1 are learned from; user 2 has no events, and is scored as a stranger is."""
    data = tiny(EVENTS[:-1], items=5)
    learned = Learned.of(data, everything(data))
    asked = ask(learned, 0, 1, 2)
    known = NeuralCf(4, 5).fit(learned)(asked)
    strangers = NeuralCf(4, 5).fit(learned)(replace(asked, users=np.array([0, STRANGER, STRANGER])))
    np.testing.assert_allclose(known[2], strangers[2], rtol=1e-5)
    np.testing.assert_allclose(known[0], strangers[0], rtol=1e-5)
    assert abs(known[1] - strangers[1]).max() > 1e-4


FEED = DatasetSchema.model_validate({"name": "feed", "interactions": {"view": {"weight": 0.3}, "like": {}}})


def feed(likes):
    """Each of 30 users is shown 8 of 20 posts; of those for which `likes` holds, a like follows."""
    rng, events, types = np.random.default_rng(0), [], []
    for user in range(30):
        for post in rng.permutation(20)[:8]:
            shown = [(user, post)] * (1 + likes(post))
            events += shown
            types += [1, 2][: len(shown)]
    data = replace(tiny(events, types, items=20, users=30), schema=FEED)
    return Learned.of(data, everything(data))


def test_trees_alone_find_what_is_liked_among_all_posts():
    """Odd posts are liked whenever they are shown; the last user and a stranger ask when that is known."""
    pytest.importorskip("catboost", reason="needs the extra `baselines`")
    learned = feed(lambda post: post % 2 == 1)
    asked = replace(ask(learned, 29, 29), users=np.array([29, STRANGER]))
    for scores in CatboostAlone().fit(learned)(asked):
        assert scores[1::2].min() > scores[::2].max()


@pytest.mark.parametrize("all_are_liked", [True, False])
def test_where_shown_posts_are_all_alike_one_that_was_not_shown_is_drawn_beside_each(all_are_liked):
    pytest.importorskip("catboost", reason="needs the extra `baselines`")
    learned = feed(lambda post: all_are_liked)
    asked = ask(learned, 29)
    by_itself, as_told = CatboostAlone(0).fit(learned)(asked), CatboostAlone(1).fit(learned)(asked)
    np.testing.assert_array_equal(by_itself, as_told)


def test_the_six_features_by_hand(simulated):
    learned = Learned.of(simulated, next_item(simulated))
    asked = next(validation(learned).chunks(1))
    rows, scores = np.array([0, 7, 9]), np.array([0.5, 0.1, 0.2], np.float32)
    found = six(learned)(asked, 0, rows, scores)
    state = asked.state(0)
    assert found.shape == (3, len(NAMES))
    assert found[:, 0].tolist() == scores.tolist()
    assert found[:, 1] == pytest.approx(np.log1p(learned.popularity[rows]))
    assert (found[:, 3] == np.float32(np.log1p(len(state.history)))).all()
    # Somebody whose history is one item finds that very item as near as can be, and at this moment.
    alone = replace(asked, begin=asked.end - 1)
    itself = alone.state(0).history.rows
    again = six(learned)(alone, 0, itself, np.zeros(1, np.float32))[0]
    others = six(learned)(
        alone, 0, np.arange(len(simulated.items)), np.zeros(len(simulated.items), np.float32)
    )
    assert again[4] == pytest.approx(others[:, 4].max())
    assert again[5] == 0
    assert others[others[:, 4] == 0, 5].min(initial=30) > 20


def test_rankers_learn_only_from_what_their_first_stage_has_not_seen(simulated, learned):
    seen = {}

    def describe(first):
        early = first.split.training(simulated.log)

        def features(asked, question, rows, scores):
            event = int(asked.end[question])
            assert not early[event]
            assert simulated.log.item_rows[event] == rows[0]
            seen[event] = len(set(rows.tolist()))
            return np.zeros((len(rows), 1), np.float32)

        return features

    lists = examples(learned, describe)
    assert len(seen) > 300
    assert set(seen.values()) == {1 + WRONG}
    assert lists.taken.sum() == len(seen) == lists.lists.max() + 1
    most = np.bincount(simulated.log.user_rows[list(seen)])
    assert most.max() <= HELD


@pytest.mark.parametrize(
    "name", [name for name, tried in BASELINES.items() if isinstance(tried[0], RatingBaseline)]
)
def test_ratings_are_predicted_better_than_by_the_mean(name, simulated):
    log = simulated.log
    rated = np.flatnonzero(~np.isnan(log.values))
    test = np.zeros(len(log), bool)
    test[rated[::5]] = True
    base = simulated.with_log(log.take(~test))
    predict = BASELINES[name][0].fit_ratings(Learned.of(base, everything(base)))
    held = log.take(test)
    assert rmse(held.values, predict(held.user_rows, held.item_rows)) < held.values.std()


def test_side_features_help_where_little_is_known_of_anybody(simulated):
    """Both predict the ratings of users who have none in training: only side features can tell these apart."""
    log = simulated.log
    new = simulated.user_ids.rows(list(simulated.user_ids.ids))[::4]
    test = np.isin(log.user_rows, new)
    base = simulated.with_log(log.take(~test))
    learned = Learned.of(base, everything(base))
    users = np.repeat(new[:40], 3)
    items = np.tile(np.array([3, 50, 99]), 40)
    plain = BASELINES["tfrs_ranking"][0].fit_ratings(learned)(users, items).reshape(40, 3)
    told = BASELINES["tfrs_ranking_features"][0].fit_ratings(learned)(users, items).reshape(40, 3)
    assert np.ptp(plain, axis=0).max() < 1e-5
    assert np.ptp(told, axis=0).min() > 1e-3


def test_knobs_are_chosen_on_validation(learned, monkeypatch):
    wanted = {
        int(u): int(r) for u, r in zip(validation(learned).users, validation(learned).right, strict=True)
    }

    @dataclass(frozen=True)
    class Oracle:
        """Popularity, with the right item of every validation event lifted."""

        lift: float

        def fit(self, learned):
            def scores(asked):
                found = np.tile(learned.popularity, (len(asked), 1))
                for row, user in zip(found, asked.users, strict=True):
                    row[wanted[int(user)]] += self.lift
                return found

            return scores

    monkeypatch.setattr(registry, "BASELINES", {"oracle": (Oracle(0.0), Oracle(1e6), Oracle(-1e6))})
    assert fitted("oracle", learned, validation(learned)).knobs == {"lift": 1e6}


def test_what_cannot_be_measured_is_said_at_once(monkeypatch):
    check(BASELINES)
    with pytest.raises(ConfigError, match=r"most_popular.*'svd'"):
        check(["ease", "svd"])
    monkeypatch.setattr(registry, "find_spec", lambda package: None)
    check(["ease", "most_popular"])
    with pytest.raises(ConfigError, match=r"implicit.*towerbridge\[baselines\]"):
        check(["ease", "ials"])


def test_no_baseline_makes_a_matrix_that_does_not_fit(small, monkeypatch):
    monkeypatch.setattr("training.baselines.baseline.DENSE", 4)
    with pytest.raises(NotReadyError, match="at most 4 items"):
        Ease().fit(small)


def test_every_baseline_protocol_and_metric_is_told_of():
    page = (Path(__file__).parents[2] / "docs/evaluation.md").read_text("utf-8")
    told = set(re.findall(r"`([^`\n]+)`", page))
    assert set(BASELINES) <= told
    assert {name.replace("_", "-") for name in PROTOCOLS} <= told
    assert {name.split("@")[0] for name in PER_USER} <= {name.split("@")[0] for name in told}
