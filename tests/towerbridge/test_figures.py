"""Evaluations as tables and pages, and what is kept of them."""

import json
import re

import pytest

from catalog.errors import ConfigError
from towerbridge import measure
from towerbridge.config import Config
from towerbridge.figures import left_out, markdown, tables, told_of_data, winners
from towerbridge.workspace import Workspace
from training.spread import over_seeds

STAGES = {
    "order": "ranker", "ranker_lift": {"ndcg@10": 0.0512, "interval": (-0.01, 0.123)},
    "pool_ceiling": {"50": 0.5, "100": 0.75}, "index": "flat", "index_recall@100": 1.0,
}  # fmt: skip


def report(version="20260102-030405-abcdef", ndcg=0.125):
    methods = {"pipeline": {"ndcg@10": ndcg, "hit_rate@10": 0.25}, "most_popular": {"ndcg@10": 0.05}}
    return {
        "dataset": "shop",
        "model_version": version,
        "protocols": {
            "next_item": methods,
            "rating": {
                "folds": {"u1": 0.9, "u2": 1.0}, "mean": 0.95,
                "baselines": {"top_rated": {"folds": {"u1": 1.1, "u2": 1.3}, "mean": 1.2}},
            },
        },
        "details": {
            "next_item": {
                "users": 1234,
                "intervals": {"pipeline": {"ndcg@10": (0.1, 0.15), "hit_rate@10": (0.2, 0.3)}},
                "slices": [
                    {"by": "item", "slice": "cold", "users": 7, "methods": {"pipeline": {"ndcg@10": 0.0625}}}
                ],
                "stages": STAGES,
                "baselines": {"content": {"left_out": "expected text vectors, found none"}},
            },
            "rating": {},
            "cold_item": {"left_out": "expected items, found none"},
        },
    }  # fmt: skip


def test_tables_show_methods_stages_and_folds():
    ranking, stages, ratings = tables(report())
    assert ranking.head == ("next item, full ranking", "ndcg@10", "hit_rate@10")
    assert ranking.rows == [("pipeline", 0.125, 0.25), ("most popular", 0.05, None)]
    assert stages.head[1:3] == ("50", "100")
    assert stages.rows == [("holds of the right items", 0.5, 0.75, "+5.1% (-1.0% … +12.3%)", 1.0)]
    assert ratings.rows == [("RMSE", 0.9, 1.0, 0.95), ("top rated", 1.1, 1.3, 1.2)]


def test_sources_are_shown_best_first_and_who_wins_is_said():
    both = report()
    sources = {
        "popular": {"ndcg@10": 0.05, "recall@100": 0.2, "brought": 0.25},
        "item_item": {"ndcg@10": 0.13, "recall@100": 0.3, "brought": 0.75},
    }
    ndcg = {"50": 0.1, "500": 0.125}
    beside = {
        "pool_ndcg@10": ndcg,
        "sources": sources,
        "best_source": "item_item",
        "best_source_behind": (-0.02, 0.01),
    }
    both["details"]["next_item"]["stages"] = {**STAGES, **beside}
    _, pools, alone, _ = tables(both)
    assert pools.rows[1] == ("is ranked to ndcg@10", 0.1, 0.125, "", "")
    assert alone.head[1:] == ("ndcg@10", "recall@100", "brought of the right items")
    assert [row[0] for row in alone.rows] == ["item item", "popular"]
    (said,) = winners(both)
    assert "0.1250, LESS than 0.1300 of the best single source, item item" in said
    assert "difference -0.0200 … +0.0100; other users could have turned this round" in said
    ndcg["500"] = 0.13
    both["details"]["next_item"]["stages"]["best_source_behind"] = (0.001, 0.01)
    assert "turned" not in next(winners(both))
    assert "NDCG@10 of both stages 0.1300, no less than 0.1300" in next(winners(both))
    both["details"]["next_item"]["stages"]["order"] = "item_item"
    assert "NDCG@10 of item item, which ships, 0.1300, no less than" in next(winners(both))
    assert list(winners(report())) == []


def test_what_a_ranker_reads_is_shown_the_weightiest_first():
    found = report()
    card = {
        "kind": "catboost", "features": ["hour", "closeness"], "importances": {"hour": 0.25, "closeness": 0.75},
        "alone": {"hour": 0.5, "closeness": 0.625},
    }  # fmt: skip
    found["details"]["next_item"]["stages"] = {**STAGES, "reads": card}
    _, _, features, _ = tables(found)
    assert features.head == ("catboost reads", "importance", "AUC by itself")
    assert features.rows == [("closeness", 0.75, 0.625), ("hour", 0.25, 0.5)]
    assert "| closeness | 0.7500 | 0.6250 |" in markdown(found)


def test_what_is_made_up_stands_at_the_top_of_the_page():
    data = {"generated": ["Users are generated."], "missing": ["events.csv"]}
    assert list(told_of_data(data)) == ["Users are generated.", "Not there: events.csv."]
    assert markdown({**report(), **data}).index("Users are generated.") < 80
    assert list(told_of_data(report())) == []


def test_what_was_left_out_is_said():
    assert list(left_out(report())) == [
        "next item, content: expected text vectors, found none", "cold item: expected items, found none",
    ]  # fmt: skip


def test_seeds_are_shown_as_mean_and_spread():
    several = over_seeds([report("a", 0.1), report("b", 0.2)], [0, 1])
    ranking, stages, ratings = tables(several)
    assert stages.rows == [("holds of the right items", 0.5, 0.75, "+5.1%±0.0%", 1.0)]
    assert list(left_out(several)) == ["cold item: expected items, found none"]
    assert ranking.rows[0][1] == "0.1500±0.0707"
    hopeless = [report("a"), report("b")]
    hopeless[1]["details"]["next_item"]["stages"] = {
        **STAGES,
        "ranker_lift": {"ndcg@10": None, "interval": None},
    }
    assert list(tables(over_seeds(hopeless, [0, 1])))[1].rows[0][3] is None
    assert ratings.rows[1] == ("top rated", "1.1000±0.0000", "1.3000±0.0000", "1.2000±0.0000")


def test_a_page_has_all_tables_with_as_many_cells_as_heads():
    page = markdown(report())
    assert "1,234 users" in page
    assert "0.100 … 0.150" in page
    assert "| item | cold | 7 | 0.0625 |" in page
    for part in re.split(r"\n\n", page):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1
    assert page.rstrip().endswith("found none")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(Config(home=tmp_path, dataset="shop"))


def test_a_protocol_that_is_measured_again_replaces_its_figures_and_leaves_the_others(workspace):
    first = report()
    measure.keep(workspace, first)
    again = report(ndcg=0.5)
    del again["protocols"]["rating"], again["details"]["rating"]
    measure.keep(workspace, again)
    kept = json.loads(measure.path_of(workspace, first).read_text("utf-8"))
    assert kept["protocols"]["next_item"]["pipeline"]["ndcg@10"] == 0.5
    assert kept["protocols"]["rating"] == first["protocols"]["rating"]
    assert kept["details"]["next_item"]["intervals"]["pipeline"]["ndcg@10"] == [0.1, 0.15]


def test_versions_and_sets_of_seeds_are_kept_apart(workspace):
    several = over_seeds([report("a"), report("b")], [0, 1])
    paths = [measure.path_of(workspace, each) for each in (report("a"), report("b"), several)]
    assert [path.name for path in paths] == ["a.json", "b.json", "a-2-seeds.json"]
    assert {path.parent for path in paths} == {workspace.home / "reports" / "shop"}


@pytest.mark.train
def test_a_baseline_that_does_not_exist_is_refused_before_anything_is_trained():
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    with pytest.raises(ConfigError, match="'svd'"):
        measure.evaluate_seeds(None, None, None, measure.Wanted(("next_item",), baselines=("svd",)), 2, None)
