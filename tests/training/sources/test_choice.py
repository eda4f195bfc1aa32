"""A source alone ships where it is worth more than both stages: on the bundle that tests/bundle/make.py makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bundle.reader import Bundle
from catalog.errors import ConfigError
from catalog.records import IdMap, InteractionLog
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import Query
from tests.bundle.make import SCHEMA, USERS, N, items, make_bundle
from training.config import TrainConfig
from training.dataset import Content, TrainingData
from training.presets import turned
from training.questions import Questions, validation_questions
from training.sources.choice import measured, preferred
from training.split import Split


def asked(*paths: tuple[int, ...]) -> tuple[TrainingData, Split]:
    """One user per path of items, of which the last is the validation."""
    users = np.repeat(np.arange(len(paths)), [len(path) for path in paths])
    rows = np.concatenate([np.array(path) for path in paths])
    log = InteractionLog(
        users, rows, np.full(len(rows), 2), np.full(len(rows), np.nan, np.float32),
        np.arange(len(rows), dtype=np.float64), np.zeros(len(rows), np.int64),
    )  # fmt: skip
    catalogue = tuple(items())
    people = tuple(USERS[: len(paths)])
    data = TrainingData(
        SCHEMA, catalogue, people, IdMap.of(i.item_id for i in catalogue), IdMap.of(u.user_id for u in people),
        log, Content.none(N), 0.0,
    )  # fmt: skip
    bounds = log.user_bounds(len(paths))
    none = np.full(len(paths), -1)
    return data, Split(bounds[:-1], bounds[1:] - 1, bounds[1:] - 1, none)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(make_bundle(tmp_path, proposals=True))


def test_each_source_is_measured_alone(bundle: Bundle) -> None:
    """Row 5 implies 6 first, then 8; the ranker would go on within the category of 5."""
    gains, figures = measured(bundle, validation_questions(*asked((1, 5, 6), (20, 24, 27))), pool=20)
    assert set(figures) == {"pipeline", "retrieval", *Pipeline(bundle).sources} - {"two_tower", "new"}
    # 6 comes first; 27 (0.2 of 24) third, after 25 (0.8 of 24) and 21 (0.8 of 20, an event earlier).
    assert gains["rules"] == pytest.approx([1.0, 1 / np.log2(4)])
    assert figures["rules"] == {"ndcg@10": pytest.approx((1 + 1 / np.log2(4)) / 2), "recall@pool": 1.0}
    assert figures["rules"]["ndcg@10"] > figures["pipeline"]["ndcg@10"]
    assert figures["tfidf"] == {"ndcg@10": 0.0, "recall@pool": 0.0}


def test_what_ships_is_what_wins_and_the_reason_is_told(bundle: Bundle) -> None:
    gains, _ = measured(bundle, validation_questions(*asked((5, 8))), pool=20)
    rank_by, reason = preferred(gains, "ranker")
    assert rank_by == "rules"
    assert reason is not None
    assert "the source rules alone reaches NDCG@10 0.6309" in reason
    # The towers' own way: row 37 is longest on the axis of row 1.
    gains, _ = measured(bundle, validation_questions(*asked((1, 33))), pool=20)
    assert preferred(gains, "ranker") == ("ranker", None)


def test_of_equals_both_stages_ship() -> None:
    same = np.full(20, 0.5)
    gains = {"pipeline": same, "retrieval": same, "popular": same}
    assert preferred(gains, "retrieval") == ("retrieval", None)
    assert preferred({**gains, "retrieval": same + 0.1}, "ranker")[0] == "retrieval"


def test_a_source_must_be_ahead_by_more_than_chance() -> None:
    """Of 100 questions four answered right, against two others: that may as well be chance."""
    none, few, others = np.zeros(100), np.zeros(100), np.zeros(100)
    few[:4] = others[4:6] = 1.0
    rank_by, reason = preferred({"pipeline": others, "popular": others, "tfidf": few}, "ranker")
    assert rank_by == "ranker"
    assert reason is not None
    assert "NDCG@10 0.0400, both stages 0.0200, popular items 0.0200" in reason
    # Little ahead of both stages and far ahead of what is popular: there is something to tell, and it tells more.
    many = np.concatenate([np.ones(20), np.zeros(80)])
    fewer = np.concatenate([np.zeros(1), np.ones(19), np.zeros(80)])
    assert preferred({"pipeline": fewer, "popular": none, "tfidf": many}, "ranker")[0] == "tfidf"
    # Popular items are never ahead of themselves: only of both stages.
    assert preferred({"pipeline": fewer, "popular": many}, "ranker")[0] == "ranker"
    assert preferred({"pipeline": none, "popular": many}, "ranker")[0] == "popular"


def test_what_everybody_is_told_gives_way_to_what_is_as_good_for_one() -> None:
    both, popular, own = np.zeros(100), np.zeros(100), np.zeros(100)
    popular[:24], own[2:25] = 1.0, 1.0
    rank_by, reason = preferred({"pipeline": both, "popular": popular, "item_item_long": own}, "ranker")
    assert rank_by == "item_item_long"
    assert reason is not None
    assert "the source item_item_long alone reaches NDCG@10 0.2300" in reason
    # Not where it is clearly less right.
    own[10:] = 0.0
    assert preferred({"pipeline": both, "popular": popular, "item_item_long": own}, "ranker")[0] == "popular"
    # Both stages know the user too.
    both[2:25] = 1.0
    assert preferred({"pipeline": both, "popular": popular, "item_item_long": own}, "ranker") == (
        "ranker",
        None,
    )


def test_a_source_that_decides_alone_serves(tmp_path: Path) -> None:
    """End to end but for the training: the choice is a word in the manifest, and the pipeline obeys it."""
    bundle = Bundle.open(make_bundle(tmp_path, proposals=True, rank_by="rules"))
    data, split = asked((1, 5, 6))
    state = validation_questions(data, split).state(0)
    assert Pipeline(bundle).recommend(state, Query(limit=1)).rows.tolist() == [6]
    assert isinstance(validation_questions(data, split), Questions)


def test_a_preset_says_who_fills_the_pool() -> None:
    assert (
        turned(TrainConfig(), {"shares": {"rules": 0.5, "popular": 0.5}}, "a preset").shares["rules"] == 0.5
    )
    with pytest.raises(ConfigError, match="found 'towers'"):
        turned(TrainConfig(), {"shares": {"towers": 1.0}}, "a preset")
