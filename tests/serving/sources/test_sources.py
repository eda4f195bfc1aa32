"""Each source alone, on a bundle whose numbers can be computed by hand (tests/bundle/make.py)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle.reader import Bundle
from catalog.errors import BundleError, ConfigError
from catalog.records import History
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig, Query
from serving.settings import Settings
from serving.sources.categories import Taxonomy
from serving.sources.merge import for_strangers
from serving.sources.shares import NAMES, SHARES, read_shares, written
from serving.sources.shelves import Shelves
from tests.bundle.make import HIDDEN, N, make_bundle
from tests.serving.recommend.test_pipeline import STRANGER, state
from towerbridge.config import load


@pytest.fixture(scope="module")
def pipeline(rich_bundle: Bundle) -> Pipeline:
    return Pipeline(rich_bundle)


def proposed(pipeline: Pipeline, name: str, *history: int, **query: object) -> list[int]:
    who = state(*history) if history else STRANGER
    ranked = pipeline.propose(name, who, Query(**query))  # type: ignore[arg-type]
    assert ranked.failed == ()
    assert (np.diff(ranked.scores) <= 0).all()
    return ranked.rows.tolist()


def test_a_bundle_that_has_it_all_has_all_sources(pipeline: Pipeline, bundle: Bundle) -> None:
    assert pipeline.sources == NAMES
    assert set(NAMES) - set(Pipeline(bundle).sources) == {"rules", "tfidf", "best_value"}


@pytest.mark.parametrize("name", NAMES)
def test_every_source_keeps_to_what_is_allowed_and_to_the_page(pipeline: Pipeline, name: str) -> None:
    query = Query(limit=4, exclude=np.array([30, 24], np.int64), categories=("red", "blue"))
    whole = pipeline.propose(name, state(20, 21, 26), replace(query, limit=8, time=4e5)).rows.tolist()
    page = pipeline.propose(name, state(20, 21, 26), replace(query, offset=4, time=4e5)).rows.tolist()
    assert len(set(whole)) == len(whole)
    assert not {20, 21, 26, 30, 24, HIDDEN} & set(whole)
    assert all(row % 4 in (0, 2) for row in whole)
    if name != "diverse":  # which is drawn anew for every length
        assert whole[4:] == page


def test_words_and_rules_speak_for_what_the_latest_items_name(pipeline: Pipeline) -> None:
    assert proposed(pipeline, "tfidf", 3, 8) == [12, 7]
    # 8 says 9 (0.8) and 11 (0.2), 7 a fifth of an event ago says 8 (seen) and 10.
    assert proposed(pipeline, "rules", 7, 8) == [9, 11, 10]
    assert proposed(pipeline, "rules") == []
    assert proposed(pipeline, "tfidf", 39) == []  # its neighbour would be beyond the last item


def test_best_value_leaves_out_what_is_not_known(pipeline: Pipeline) -> None:
    assert proposed(pipeline, "best_value", limit=3) == [39, 37, 36]
    assert sorted(proposed(pipeline, "best_value", limit=40)) == [r for r in range(20, N) if r != HIDDEN]


def test_top_categories_take_turns(pipeline: Pipeline) -> None:
    # A stranger gets the most popular categories: red, blue, green (one of its items has no category), owl.
    assert proposed(pipeline, "top_categories", limit=5) == [0, 2, 1, 3, 4]
    # Blue last, red before it.
    assert proposed(pipeline, "top_categories", 0, 2, limit=4) == [6, 4, 10, 8]


def test_the_taxonomy_goes_on_to_the_nearest_relatives(pipeline: Pipeline) -> None:
    """Green, then red, which is warm as well; blue and owl have no relative in common with it."""
    rows = proposed(pipeline, "taxonomy", 1, limit=N)
    green, red = list(range(5, 37, 4)), list(range(0, 40, 4))
    assert rows == [*green, *red]
    assert proposed(pipeline, "taxonomy") == []


def test_nearness_halves_with_each_step() -> None:
    """root → a → (b, c), root → d: from b it is two steps to c, one to a, three to d."""
    shelves = Shelves({name: np.array([at]) for at, name in enumerate("bcd")}, np.ones(3, np.float32))
    taxonomy = Taxonomy(shelves, {"b": "a", "c": "a", "a": "root", "d": "root"})
    assert taxonomy.nearness(np.array([1, 0, 0], np.float32)).tolist() == [1.0, 0.25, 0.125]


def test_a_tree_that_runs_in_a_circle_still_opens() -> None:
    shelves = Shelves({"a": np.array([0]), "b": np.array([1])}, np.ones(2, np.float32))
    near = Taxonomy(shelves, {"a": "b", "b": "a"}).nearness(np.array([1, 0], np.float32))
    assert near.tolist() == [1.0, 0.5]


class TestDiverse:
    def test_the_same_user_gets_the_same_all_day_and_others_another_day(self, pipeline: Pipeline) -> None:
        morning = proposed(pipeline, "diverse", 1, time=86_400.0)
        assert proposed(pipeline, "diverse", 1, time=86_400.0 * 2 - 1) == morning
        assert proposed(pipeline, "diverse", 1, time=86_400.0 * 2) != morning
        other = pipeline.propose("diverse", replace(state(1), user=None), Query(time=86_400.0))
        assert other.rows.tolist() != morning

    def test_categories_that_were_met_are_drawn_seldom(self, pipeline: Pipeline) -> None:
        """Of four categories only green was met: it weighs 1/25 against 1."""
        days = [proposed(pipeline, "diverse", 1, 5, 9, limit=3, time=day * 86_400.0) for day in range(200)]
        share = np.mean([row % 4 == 1 for rows in days for row in rows])
        assert 0.0 < share < 0.05

    def test_it_finds_all_that_little_is_allowed(self, pipeline: Pipeline) -> None:
        query = Query(limit=5, exclude=np.arange(4, N, dtype=np.int64))
        assert sorted(pipeline.propose("diverse", STRANGER, query).rows.tolist()) == [0, 1, 2, 3]


class TestShares:
    def test_the_bundle_brings_its_own_and_settings_override(self, tmp_path: Path) -> None:
        bundle = Bundle.open(make_bundle(tmp_path, shares={"two_tower": 0.5, "rules": 0.5}, proposals=True))
        config = PipelineConfig(candidates=4)
        assert set(Pipeline(bundle, config).recommend(state(7, 8), Query(limit=4)).sources) == {
            "two_tower",
            "rules",
        }
        config = replace(config, shares=(("best_value", 1.0),))
        assert sorted(Pipeline(bundle, config).recommend(state(7, 8), Query(limit=4)).rows.tolist()) == [
            35,
            36,
            37,
            39,
        ]

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("towers=0.5", "expected sources among .*'towers'"),
            ({"popular": 1.5}, "a number from 0 to 1 for popular, found 1.5"),
            ("popular=nan", "a number from 0 to 1 for popular, found 'nan'"),
            ("popular=much", "a number from 0 to 1 for popular, found 'much'"),
            ("popular=0,new=0", "one above 0"),
            ("popular", "each source once; found 'popular'"),
            ("popular=1,popular=0", "each source once; found 'popular=0'"),
            (0.5, "expected shares like"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, given: object, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            read_shares(given)

    def test_they_are_written_as_they_are_read(self) -> None:
        shares = {"two_tower": 0.6, "best_value": 0.25}
        assert read_shares(written(shares)) == read_shares(shares) == shares
        assert read_shares(" two_tower = 0.6 ,, best_value=.25 ") == shares
        assert read_shares("") == {}

    def test_the_environment_sets_them_and_workers_get_them_by_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOWERBRIDGE_SERVE_SHARES", "rules=0.5,popular=0.5")
        settings = Settings(mongodb_uri="mongodb://x")
        assert settings.shares == {"rules": 0.5, "popular": 0.5}
        monkeypatch.setenv("TOWERBRIDGE_SERVE_SHARES", settings.environment()["TOWERBRIDGE_SERVE_SHARES"])
        assert Settings(mongodb_uri="mongodb://x").shares == settings.shares
        monkeypatch.setenv("TOWERBRIDGE_SERVE_SHARES", "rule=1")
        with pytest.raises(ConfigError, match="'rule'"):
            Settings(mongodb_uri="mongodb://x")

    def test_the_file_sets_them_and_the_environment_overrides(self, tmp_path: Path) -> None:
        file = tmp_path / "towerbridge.toml"
        file.write_text("[serve.shares]\nrules = 0.5\npopular = 1\n")
        assert load(file, {}).serve.shares == {"rules": 0.5, "popular": 1.0}
        assert load(file, {"TOWERBRIDGE_SERVE_SHARES": "tfidf=1"}).serve.shares == {"tfidf": 1.0}
        file.write_text("[serve.shares]\npopulr = 0.5\n")
        with pytest.raises(ConfigError, match="'populr'"):
            load(file, {})

    def test_strangers_get_popular_items_first(self) -> None:
        assert dict(for_strangers(tuple(SHARES.items()))) == {
            "new": 0.025, "two_tower": 0.3, "item_item": 0.15, "popular": 0.5,
        }  # fmt: skip


class TestAlone:
    def test_a_source_that_decides_alone_leads_and_others_fill(self, tmp_path: Path) -> None:
        bundle = Bundle.open(make_bundle(tmp_path, rank_by="rules", proposals=True))
        ranked = Pipeline(bundle).recommend(state(7, 8), Query(limit=6))
        assert ranked.rows.tolist()[:3] == [9, 11, 10]
        assert ranked.sources == ["rules"] * 3 + ["two_tower"] * 3
        assert not Pipeline(bundle).recommend(STRANGER, Query()).degraded

    def test_one_that_the_bundle_lacks_is_refused(self, tmp_path: Path) -> None:
        bundle = Bundle.open(make_bundle(tmp_path, rank_by="rules"))
        with pytest.raises(BundleError, match="carry the source 'rules'"):
            Pipeline(bundle)


def test_items_that_came_later_say_nothing_and_break_nothing(rich_bundle: Bundle, pipeline: Pipeline) -> None:
    late = History(np.array([N + 5]), np.ones(1, np.int64), np.ones(1, np.float32), np.ones(1))
    for name in ("rules", "tfidf", "taxonomy", "top_categories", "diverse", "trending"):
        pipeline.propose(name, replace(STRANGER, history=late), Query())
