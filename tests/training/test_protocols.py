"""What each protocol lets be learned and what it asks; and the marks that come of it."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from bundle.reader import Bundle
from catalog.errors import NotReadyError
from catalog.progress import SILENT
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig, Query
from tests.training.conftest import tiny
from training.answers import answer_states
from training.metrics import recall_of
from training.protocols import cold_item, global_time, new_user, next_item
from training.protocols.bandwidth import SIZES
from training.protocols.exam import part_of
from training.protocols.examine import examine
from training.protocols.rating import fold_of_events
from training.protocols.registry import EXAMS

pytestmark = pytest.mark.train


def test_next_item_asks_everybody_for_their_last(simulated):
    exam = next_item.exam(simulated)
    asked = exam.tables["next_item"]
    assert exam.shipped
    assert len(asked) == len(asked.right) == (exam.split.test >= 0).sum()
    assert (asked.end == exam.split.test[asked.users]).all()
    assert not exam.split.training(simulated.log)[asked.end].any()


def test_the_past_is_learned_from_and_the_future_asked_for(simulated):
    exam = global_time.exam(simulated)
    times, learned = simulated.log.times, exam.split.training(simulated.log)
    asked = exam.tables["global_time"]
    assert learned.mean() == pytest.approx(0.8, abs=0.01)
    assert times[learned].max() < times[~learned].min()
    test = np.zeros(len(times), bool)
    for user, end in zip(asked.users, asked.end, strict=True):
        test |= (simulated.log.user_rows == user) & (np.arange(len(times)) >= end)
    others = np.isin(simulated.log.user_rows, asked.users) & ~test
    assert times[test].min() > times[others].max()
    assert test.mean() == pytest.approx(0.1, abs=0.02)
    validation = exam.split.validation[exam.split.validation >= 0]
    assert times[learned].max() < times[validation].min() <= times[validation].max() < times[test].min()


def test_all_that_a_user_takes_in_the_test_part_is_right():
    # Twenty events, one a tick: sixteen are learned from, then user 0 takes item 2 and 3, then user 1 takes 4 and 5.
    events = [
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 0),
        (1, 1),
        (1, 4),
        (1, 5),
        *((2, item) for item in range(12)),
    ]
    data = tiny(events, items=12)
    times = np.array([0, 1, 16, 17, 2, 3, 18, 19, *range(4, 16)], np.float64)
    exam = global_time.exam(data.with_log(replace(data.log, times=times)))
    asked = exam.tables["global_time"]
    assert asked.users.tolist() == [1]
    assert asked.right.tolist() == [4, 5]
    assert asked.state(0).history.rows.tolist() == [0, 1]
    assert exam.split.validation.tolist() == [3, -1, -1]
    assert exam.split.end.tolist() == [2, 6, 20]
    # Knobs and order are chosen by the same question of the tenth before, knowing no more than was learned from.
    assert exam.deciding is exam.validation is not None
    assert exam.deciding.users.tolist() == [0]
    assert exam.deciding.right.tolist() == [2, 3]
    assert exam.deciding.state(0).history.rows.tolist() == [0, 1]


def test_cold_items_are_nowhere_but_in_the_answers(simulated):
    exam = cold_item.exam(simulated)
    cold = part_of(cold_item.PARTS, simulated.item_ids.ids) == 0
    assert 0.05 < cold.mean() < 0.15
    assert not cold[exam.data.log.item_rows].any()
    alone, among_all = exam.tables["cold_item"], exam.tables["cold_item_among_all"]
    assert cold[alone.right].all()
    assert alone.restricted
    assert not among_all.restricted
    assert among_all.right.tolist() == alone.right.tolist()
    takers = {(int(u), int(i)) for u, i in zip(simulated.log.user_rows, simulated.log.item_rows, strict=True)}
    assert {(int(alone.users[o]), int(i)) for o, i in zip(alone.owner, alone.right, strict=True)} <= takers
    assert all(len(alone.state(question).history) for question in range(len(alone)))
    assert not cold[exam.validation.right].any()
    assert not (cold & exam.validation.among).any()
    assert not np.isin(exam.validation.data.log.item_rows, np.flatnonzero(exam.validation.among)).any()


def test_new_users_are_not_learned_from_and_nobody_knows_them(simulated):
    exam = new_user.exam(simulated)
    stranger = part_of(new_user.PARTS, simulated.user_ids.ids) == 0
    assert 0.1 < stranger.mean() < 0.3
    assert not stranger[exam.data.log.user_rows].any()
    asked = exam.tables["new_user"]
    assert len(asked) == (stranger & (next_item.exam(simulated).split.test >= 0)).sum()
    state = asked.state(0)
    assert state.user is None
    assert len(state.history) > 2


def test_the_same_part_of_the_ids_whatever_else_there_is():
    ids = [f"i{n}" for n in range(5000)]
    parts = part_of(10, ids)
    counts = np.bincount(parts, minlength=10)
    assert counts.min() > 400
    assert counts.max() < 600
    assert part_of(10, ids[100:]).tolist() == parts[100:].tolist()


def test_every_value_has_one_of_five_folds(simulated):
    folds = fold_of_events(simulated)
    valued = ~np.isnan(simulated.log.values)
    assert set(folds[valued].tolist()) == {1, 2, 3, 4, 5}
    assert not folds[~valued].any()


@pytest.fixture(scope="module")
def bundle(bundle_path):
    return Bundle.open(bundle_path)


@pytest.mark.parametrize("name", EXAMS)
def test_every_protocol_is_marked_in_the_same_shape(name, bundle, simulated):
    """By a bundle that has seen too much for all protocols but the first: here only the marking is looked at."""
    exam = EXAMS[name](simulated)
    marked = examine(exam, bundle, ["ease"], 0, SILENT)
    assert list(marked.figures) == list(marked.details) == list(exam.tables)
    for table, methods in marked.figures.items():
        details, asked = marked.details[table], exam.tables[table]
        assert list(methods) == ["pipeline", "retrieval", *exam.beside, "ease"]
        for method, figures in methods.items():
            assert all(0 <= value <= 1 for key, value in figures.items() if key != "novelty@10"), method
            for metric, (low, high) in details["intervals"][method].items():
                assert low - 1e-9 <= figures[metric] <= high + 1e-9, (method, metric)
        for kind in ("history", "item"):
            parts = [each for each in details["slices"] if each["by"] == kind]
            assert sum(each["users"] for each in parts) >= len(asked)
        histories = [each for each in details["slices"] if each["by"] == "history"]
        assert sum(each["users"] for each in histories) == len(asked)
        for method, figures in methods.items():
            mean = sum(each["users"] * each["methods"][method]["ndcg@10"] for each in histories) / len(asked)
            assert mean == pytest.approx(figures["ndcg@10"])
        assert set(details["baselines"]) == {*exam.beside, "ease"}


def test_what_is_marked_is_what_the_pipeline_answers(bundle, simulated):
    """A plain loop over requests as the oracle of figures, ceiling and lift."""
    exam = next_item.exam(simulated)
    asked = exam.tables["next_item"]
    marked = examine(exam, bundle, [], 0, SILENT)
    pipeline = Pipeline(bundle, PipelineConfig(candidates=500))
    ranks, found = [], []
    for question in range(len(asked)):
        state, right = asked.state(question), int(asked.right[question])
        rows = pipeline.recommend(state, Query(limit=10)).rows.tolist()
        ranks.append(rows.index(right) if right in rows else None)
        small = Pipeline.retrieve
        found.append(right in small(pipeline, state, Query(limit=10)).rows)
    gains = [0 if rank is None else 1 / np.log2(rank + 2) for rank in ranks]
    figures = marked.figures["next_item"]
    assert figures["pipeline"]["ndcg@10"] == pytest.approx(np.mean(gains))
    assert figures["retrieval"]["recall@500"] == pytest.approx(np.mean(found))
    stages = marked.details["next_item"]["stages"]
    retrieval = figures["retrieval"]["ndcg@10"]
    assert stages["ranker_lift"]["ndcg@10"] == pytest.approx(np.mean(gains) / retrieval - 1)
    low, high = stages["ranker_lift"]["interval"]
    assert low <= stages["ranker_lift"]["ndcg@10"] <= high
    ceiling = list(stages["pool_ceiling"].values())
    assert len(ceiling) == len(SIZES)
    assert ceiling == sorted(ceiling)
    assert ceiling[-1] == 1.0  # 300 items
    narrow = Pipeline(bundle, PipelineConfig(candidates=50))
    pools = answer_states(asked, lambda state: narrow.retrieve(state, Query(limit=10)).rows)
    assert stages["pool_ceiling"]["50"] == pytest.approx(recall_of(pools.judged, 50).mean())
    # Of what is asked here everybody's last event is the one right item; a pool of all 300 is ranked as answers are.
    assert stages["pool_ndcg@10"]["500"] == pytest.approx(figures["pipeline"]["ndcg@10"])
    assert sum(each["brought"] for each in stages["sources"].values()) == pytest.approx(1.0)
    popular = pipeline.propose("popular", asked.state(0), Query(limit=500)).rows.tolist()
    assert len(popular) == 300 - len(asked.state(0).seen)
    worth = {name: each["ndcg@10"] for name, each in stages["sources"].items()}
    assert worth[stages["best_source"]] == max(worth.values()) > 0
    low, high = stages["best_source_behind"]
    assert low <= stages["pool_ndcg@10"]["500"] - worth[stages["best_source"]] <= high
    assert stages["index_recall@100"] == 1.0  # flat


def test_questions_are_drawn_evenly_and_keep_their_right_items(simulated):
    asked = cold_item.exam(simulated).tables["cold_item"]
    some = asked.some(10)
    assert len(some) == 10
    assert (some.users[[0, -1]] == asked.users[[0, -1]]).all()
    for question in range(10):
        (at,) = np.flatnonzero(asked.users == some.users[question])
        assert some.right[some.owner == question].tolist() == asked.right[asked.owner == at].tolist()
    assert asked.some(len(asked)) is asked


def test_an_order_of_events_has_no_global_time(simulated):
    untimed = replace(simulated, schema=simulated.schema.model_copy(update={"timed": False}))
    with pytest.raises(NotReadyError, match=r"real times of events in simulated.*next-item"):
        global_time.exam(untimed)
