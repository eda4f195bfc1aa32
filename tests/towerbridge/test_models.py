"""What the list of models says of each."""

from pathlib import Path

import pytest

from bundle.manifest import read_manifest
from towerbridge.commands.models import _figures

BUNDLE = next((Path(__file__).parent.parent / "bundles" / "format-1").iterdir())
VALIDATION = {"retrieval": {"ndcg@10": 0.1, "mrr": 0.3}, "ranker": {"ndcg@10": 0.2}, "rmse": 0.9}


@pytest.mark.parametrize(("rank_by", "ndcg"), [("retrieval", "0.1000"), ("ranker", "0.2000")])
def test_figures_are_those_of_the_order_that_ships(rank_by, ndcg):
    manifest = read_manifest(BUNDLE).model_copy(
        update={"rank_by": rank_by, "metrics": {"validation": VALIDATION}}
    )
    assert _figures(manifest) == [f"ndcg@10 {ndcg}", "rmse 0.9000"]


def test_a_model_without_validation_figures_is_listed_without_them():
    manifest = read_manifest(BUNDLE)
    for metrics in ({}, {"validation": 3}, {"next_item": {"ndcg@10": 0.1}}):
        assert _figures(manifest.model_copy(update={"metrics": metrics})) == []
