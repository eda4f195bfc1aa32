"""The pipeline on a bundle whose numbers can be computed by hand (tests/bundle/make.py).

The user vector is 0.1 on every axis plus the sum of the last six history vectors / 6. Item r lies on axis r % 4
with length 1 + r / 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle.reader import Bundle
from catalog.errors import BundleError, DataError
from catalog.records import Candidates, History, User, UserId
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig, Query, UserState
from serving.recommend.ranker import RetrievalRanker, Scores, Viewer
from serving.sources.merge import merge
from serving.sources.registry import default_sources
from serving.sources.source import Demand
from tests.bundle.make import COLD, HIDDEN, USERS, N, make_bundle, ranker

STRANGER = UserState(None, History.empty(), np.zeros(0, np.int64))


def history(*rows: int, value: float = 5.0) -> History:
    n = len(rows)
    return History(
        np.array(rows, np.int64), np.ones(n, np.int64), np.full(n, value, np.float32), np.arange(n) * 100.0
    )


def state(*rows: int, user: User | None = USERS[1], seen: Sequence[int] | None = None) -> UserState:
    return UserState(user, history(*rows), np.array(rows if seen is None else seen, np.int64))


@pytest.fixture
def pipeline(bundle: Bundle) -> Pipeline:
    return Pipeline(bundle)


def test_scores_are_those_computed_by_hand(pipeline: Pipeline) -> None:
    """History: row 1 (axis 1, length 1.01). The vector is (0.1, 0.1 + 1.01/6, 0.1, 0.1)."""
    ranked = pipeline.recommend(state(1), Query(limit=2))
    assert ranked.rows.tolist() == [37, 33]
    axis = 0.1 + 1.01 / 6
    expected = [1.37 * axis + 0.001 * np.log1p(100 - 37), 1.33 * axis + 0.001 * np.log1p(100 - 33)]
    assert ranked.scores == pytest.approx(expected, abs=1e-5)
    assert ranked.sources == ["two_tower", "two_tower"]
    assert not ranked.degraded


def test_the_last_click_changes_the_answer(pipeline: Pipeline) -> None:
    first = pipeline.recommend(state(1), Query(limit=3)).rows
    then = pipeline.recommend(state(1, 2, 2, 2), Query(limit=3)).rows
    assert set(first % 4) == {1}
    assert set(then % 4) == {2}


def test_everything_unseen_comes_back_once_however_many_are_asked_for(pipeline: Pipeline) -> None:
    ranked = pipeline.recommend(state(1, 5), Query(limit=500))
    assert sorted(ranked.rows.tolist()) == sorted(set(range(N)) - {1, 5, HIDDEN})


def test_pages_join_without_gap_or_overlap(pipeline: Pipeline) -> None:
    whole = pipeline.recommend(state(1), Query(limit=30))
    pages = [pipeline.recommend(state(1), Query(limit=10, offset=at)).rows.tolist() for at in (0, 10, 20)]
    assert [row for page in pages for row in page] == whole.rows.tolist()
    assert len(pipeline.recommend(state(1), Query(limit=10, offset=1000)).rows) == 0


def test_seen_excluded_hidden_and_other_categories_are_left_out(pipeline: Pipeline) -> None:
    query = Query(limit=500, exclude=np.array([9], np.int64), categories=("green", "blue"))
    rows = pipeline.recommend(state(1, 5), query).rows.tolist()
    # Row 37 has no features and so no category; 38 (blue) is hidden.
    assert sorted(rows) == [r for r in range(N) if r % 4 in (1, 2) and r not in (1, 5, 9, 37, HIDDEN)]


@pytest.mark.parametrize(
    "query", [Query(categories=("no such category",)), Query(exclude=np.arange(N, dtype=np.int64))]
)
def test_with_everything_filtered_out_the_answer_is_empty(pipeline: Pipeline, query: Query) -> None:
    ranked = pipeline.recommend(state(1), replace(query, explain=True, diversity=0.5))
    assert (len(ranked.rows), ranked.sources, ranked.degraded) == (0, [], False)
    assert len(pipeline.retrieve(state(1), query)) == 0


@pytest.mark.parametrize("user", [None, User(UserId("nobody")), User(UserId("x"), {"age": None, "job": "?"})])
def test_a_stranger_gets_an_answer(pipeline: Pipeline, user: User | None) -> None:
    ranked = pipeline.recommend(replace(STRANGER, user=user), Query(limit=5))
    assert len(ranked.rows) == 5
    assert not ranked.degraded


def test_popular_items_have_half_of_a_strangers_pool(bundle: Bundle) -> None:
    narrow = Pipeline(bundle, PipelineConfig(candidates=10))
    ranked = narrow.recommend(STRANGER, Query(limit=10))
    by = {name: [r for r, s in zip(ranked.rows.tolist(), ranked.sources, strict=True) if s == name]
          for name in set(ranked.sources)}  # fmt: skip
    assert sorted(by["popular"]) == [0, 1, 2, 3, 4]
    assert set(by) == {"popular", "two_tower"}


def test_neighbours_of_the_history_are_proposed(bundle: Bundle) -> None:
    """Row 20's neighbours are 21 and 22; the towers would propose rows of its own axis."""
    narrow = Pipeline(bundle, PipelineConfig(candidates=6, shares=(("two_tower", 0.5), ("item_item", 0.5))))
    ranked = narrow.recommend(state(20), Query(limit=6))
    found = dict(zip(ranked.rows.tolist(), ranked.sources, strict=True))
    assert (found[21], found[22]) == ("item_item", "item_item")
    assert [r for r, s in found.items() if s == "two_tower"] == [36, 32, 28, 24]


def test_rank_keeps_every_candidate_once_and_unknown_ones_apart(pipeline: Pipeline) -> None:
    ranked = pipeline.rank(state(1), ["i0", "zzz", "a/b", "i37", "i0", "", "i1", "i38"])
    assert ranked.rows.tolist()[0] == 37
    assert sorted(ranked.rows.tolist()) == [0, 1, 6, 37, 38]
    assert ranked.unknown == ("zzz", "")
    axis = 0.1 + 1.01 / 6
    assert ranked.ratings is not None
    assert ranked.ratings[0] == pytest.approx(3 + 1.37 * axis, abs=1e-5)
    assert (np.diff(ranked.scores) <= 0).all()


@pytest.mark.parametrize("ids", [[], ["only unknown"]])
def test_rank_of_nothing_known(pipeline: Pipeline, ids: list[str]) -> None:
    ranked = pipeline.rank(state(1), ids)
    assert (len(ranked.rows), ranked.unknown, ranked.degraded) == (0, tuple(ids), False)


def test_ratings_stay_in_the_declared_range(pipeline: Pipeline) -> None:
    """Unbounded it would be 3 + 1.37 · (0.1 + 1.37) = 5.014."""
    ranked = pipeline.rank(state(*[37] * 6), ["i37", "i0"], by="rating")
    assert ranked.ratings is not None
    assert ranked.ratings.tolist() == [5.0, pytest.approx(3.1, abs=1e-5)]


def test_items_without_id_embedding_or_features_are_ranked(pipeline: Pipeline) -> None:
    ranked = pipeline.rank(state(1), ["i37", "i39"])
    assert sorted(ranked.rows.tolist()) == [37, COLD]
    assert np.isfinite(ranked.scores).all()


def test_retrieval_is_the_towers_order(pipeline: Pipeline) -> None:
    found = pipeline.retrieve(state(1), Query())
    assert len(found) == N - 2
    products = pipeline.bundle.vectors @ np.array([0.1, 0.1 + 1.01 / 6, 0.1, 0.1], np.float32)
    assert found.scores == pytest.approx(products[found.rows], abs=1e-6)
    assert (np.diff(found.scores) <= 0).all()


def test_a_bundle_ranked_by_retrieval_is_answered_in_that_order(tmp_path: Path) -> None:
    pipeline = Pipeline(Bundle.open(make_bundle(tmp_path, rank_by="retrieval")))
    ranked = pipeline.recommend(state(1), Query(limit=9))
    assert ranked.rows.tolist() == pipeline.retrieve(state(1), Query()).rows[:9].tolist()
    assert pipeline.rank(state(1), ["i2", "i37"]).ratings is not None


def test_explanations_name_the_most_similar_item_of_the_history(pipeline: Pipeline) -> None:
    ranked = pipeline.recommend(state(1, 2, 5), Query(limit=40, explain=True))
    assert ranked.reasons is not None
    near = dict(zip(ranked.rows.tolist(), ranked.reasons.rows[:, 0].tolist(), strict=True))
    assert near[33] == 5  # rows 1 and 5 both lie on its axis; of equals the latest
    assert near[34] == 2
    strangers = pipeline.recommend(STRANGER, Query(limit=3, explain=True))
    assert strangers.reasons is not None
    assert strangers.reasons.rows.tolist() == [[-1] * 3] * 3


def test_diversity_mixes_the_axes(pipeline: Pipeline) -> None:
    plain = pipeline.recommend(state(1), Query(limit=4)).rows
    mixed = pipeline.recommend(state(1), Query(limit=4, diversity=1.0)).rows
    assert set(plain % 4) == {1}
    assert set(mixed % 4) == {0, 1, 2, 3}
    assert mixed[0] == plain[0]


class Broken:
    """Stands for any stage; every use of it fails."""

    def __init__(self, error: Exception, name: str = "two_tower") -> None:
        self.error = error
        self.name = name

    def score(self, viewer: Viewer, found: Candidates, *, ratings: bool) -> Scores:
        raise self.error

    def find(self, demand: Demand) -> Candidates:
        raise self.error


class TestDegradation:
    @pytest.mark.parametrize("error", [BundleError("x"), ValueError("x"), RuntimeError("x")])
    def test_without_the_ranker_the_order_is_retrievals(self, bundle: Bundle, error: Exception) -> None:
        ranked = Pipeline(bundle, ranker=Broken(error)).recommend(state(1), Query(limit=5))
        plain = Pipeline(bundle, ranker=RetrievalRanker()).recommend(state(1), Query(limit=5))
        assert ranked.rows.tolist() == plain.rows.tolist()
        assert (ranked.failed, ranked.degraded, plain.degraded) == (("ranker",), True, False)

    def test_rank_without_the_ranker_still_ranks(self, bundle: Bundle) -> None:
        ranked = Pipeline(bundle, ranker=Broken(BundleError("x"))).rank(
            state(1), ["i2", "i37", "no"], by="rating"
        )
        assert (ranked.rows.tolist(), ranked.ratings, ranked.failed) == ([37, 2], None, ("ranker",))
        assert ranked.unknown == ("no",)

    def test_a_ranker_that_answers_infinities_has_failed(self, tmp_path: Path) -> None:
        bundle = Bundle.open(make_bundle(tmp_path, ranker_graph=ranker(poison=1.0)))
        ranked = Pipeline(bundle).recommend(state(1), Query(limit=5))
        assert ranked.failed == ("ranker",)
        assert ranked.rows[0] == 37

    def test_without_the_index_other_sources_answer(self, bundle: Bundle) -> None:
        others = [source for source in default_sources(bundle) if source.name in ("item_item", "popular")]
        sources = [Broken(RuntimeError("index")), *others]
        ranked = Pipeline(bundle, sources=sources).recommend(state(1), Query(limit=40))
        assert ranked.failed == ("two_tower",)
        assert set(ranked.sources) == {"item_item", "popular"}
        assert len(ranked.rows) == N - 2

    def test_without_the_user_tower_popular_items_answer(self, bundle: Bundle) -> None:
        class NoTower:
            inputs = bundle.user_tower.inputs
            outputs = bundle.user_tower.outputs

            def run(self, feeds: object) -> dict[str, np.ndarray]:
                return {"user_vector": np.full((1, 4), np.nan, np.float32)}

        broken = Pipeline(replace(bundle, user_tower=NoTower()), ranker=Broken(BundleError("x")))
        ranked = broken.recommend(state(user=None), Query(limit=3, categories=("green",)))
        assert ranked.failed == ("user_tower",)  # without similarities there is nothing to ask a ranker
        assert ranked.rows.tolist() == [1, 5, 9]
        assert ranked.sources == ["popular"] * 3


def test_a_stranger_is_answered_in_retrieval_order(bundle: Bundle) -> None:
    """The order head learned from histories, so nobody asks it about somebody who has none."""
    ranked = Pipeline(bundle, ranker=Broken(BundleError("x"))).recommend(STRANGER, Query(limit=10))
    assert ranked.failed == ()
    retrieved = Pipeline(bundle).retrieve(STRANGER, Query(limit=10))
    assert ranked.rows.tolist() == retrieved.rows[:10].tolist()


def test_one_source_alone_answers_in_its_own_order(pipeline: Pipeline) -> None:
    popular = pipeline.propose("popular", state(1), Query(limit=3))
    assert (popular.rows.tolist(), popular.sources) == ([0, 2, 3], ["popular"] * 3)
    then = pipeline.propose("popular", state(1), Query(limit=2, offset=1, categories=("green",)))
    assert then.rows.tolist() == [9, 13]
    assert pipeline.propose("item_item", state(20), Query(limit=5)).rows.tolist() == [21, 22]
    assert pipeline.propose("two_tower", state(1), Query(limit=2)).rows.tolist() == [37, 33]


def test_a_source_that_fails_is_named_and_one_that_the_bundle_lacks_is_silent(bundle: Bundle) -> None:
    broken = Pipeline(bundle, sources=[Broken(RuntimeError("index"))])
    assert broken.propose("two_tower", state(1), Query()).failed == ("two_tower",)
    assert broken.propose("popular", state(1), Query()).rows.tolist() == []
    with pytest.raises(DataError, match=r"expected a source among .*popular.*found 'best'"):
        broken.propose("best", state(1), Query())


def test_a_source_without_a_share_is_asked_only_where_gaps_are_left(bundle: Bundle) -> None:
    sources = [*default_sources(bundle)[:3], Broken(RuntimeError("asked"), "rules")]
    shares = (("two_tower", 0.5), ("item_item", 0.5))
    narrow = Pipeline(bundle, PipelineConfig(candidates=6, shares=shares), sources=sources)
    assert narrow.recommend(state(20), Query(limit=6)).failed == ()
    everything = Pipeline(bundle, PipelineConfig(candidates=N, shares=shares), sources=sources)
    assert everything.recommend(state(20), Query(limit=N)).failed == ("rules",)


def test_merging_without_sources_is_an_empty_pool(pipeline: Pipeline) -> None:
    viewer = pipeline._viewer(STRANGER, [])
    pool = merge([], Demand(viewer, np.ones(N, bool), 10), (), [])
    assert len(pool.found) == 0


class TestOneSourceDecides:
    """item_item has something to say of row 20: 21, then 22, in that order; no more."""

    @pytest.fixture
    def deciding(self, tmp_path: Path) -> Bundle:
        return Bundle.open(make_bundle(tmp_path, rank_by="item_item"))

    def test_a_page_that_it_fills_needs_no_towers_and_is_the_beginning_of_the_long_one(
        self, deciding: Bundle
    ) -> None:
        class Unwanted:
            inputs = deciding.user_tower.inputs
            outputs = deciding.user_tower.outputs

            def run(self, feeds: object) -> dict[str, np.ndarray]:
                raise RuntimeError("the user tower was asked")

        without = Pipeline(replace(deciding, user_tower=Unwanted()))
        page, whole = (
            pipeline.recommend(state(20), Query(limit=limit))
            for pipeline, limit in ((without, 2), (Pipeline(deciding), 40))
        )
        assert page.rows.tolist() == whole.rows[:2].tolist() == [21, 22]
        assert page.scores.tolist() == whole.scores[:2].tolist()
        assert page.sources == whole.sources[:2] == ["item_item"] * 2
        assert not page.degraded
        assert without.recommend(state(20), Query(limit=1, offset=1)).rows.tolist() == [22]

    def test_gaps_are_filled_by_the_others(self, deciding: Bundle) -> None:
        page = Pipeline(deciding).recommend(state(20), Query(limit=4))
        assert page.rows[:2].tolist() == [21, 22]
        assert page.sources == ["item_item"] * 2 + ["two_tower"] * 2

    def test_what_is_seen_or_filtered_is_left_out(self, deciding: Bundle) -> None:
        pipeline = Pipeline(deciding)
        assert pipeline.recommend(state(20, seen=(20, 21)), Query(limit=1)).rows.tolist() == [22]
        blue = pipeline.recommend(state(20), Query(limit=1, exclude=np.array([21, 22])))
        assert blue.sources == ["two_tower"]

    def test_a_stranger_gets_what_is_popular(self, deciding: Bundle) -> None:
        page = Pipeline(deciding).recommend(STRANGER, Query(limit=3))
        assert (page.rows.tolist(), page.sources) == ([0, 1, 2], ["popular"] * 3)

    def test_a_list_that_is_to_be_explained_or_diverse_goes_the_long_way(self, deciding: Bundle) -> None:
        pipeline = Pipeline(deciding)
        assert pipeline.recommend(state(20), Query(limit=2, explain=True)).reasons is not None
        assert len(pipeline.recommend(state(20), Query(limit=2, diversity=1.0)).rows) == 2

    def test_a_source_that_fails_is_named_once(self, deciding: Bundle) -> None:
        broken = Broken(RuntimeError("x"), "item_item")
        sources = [broken, *[each for each in default_sources(deciding) if each.name == "popular"]]
        ranked = Pipeline(deciding, sources=sources).recommend(state(20), Query(limit=2))
        assert (ranked.failed, ranked.sources) == (("item_item",), ["popular"] * 2)
