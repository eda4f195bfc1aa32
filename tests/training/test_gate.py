"""What may take the place of the model that serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bundle.manifest import Manifest, read_manifest
from training.gate import figure, judge

BUNDLE = next((Path(__file__).parents[1] / "bundles" / "format-1").iterdir())
KNOBS = {"candidates": 500, "validation_users": 2000}


def model(ndcg: float | None, rank_by: str = "ranker", **more: Any) -> Manifest:
    figures = {} if ndcg is None else {"ndcg@10": ndcg}
    other = "retrieval" if rank_by == "ranker" else "ranker"
    validation = {rank_by: figures, other: {"ndcg@10": 0.9}, "rmse": 0.8}
    given = {"metrics": {"validation": validation}, "training": {"config": KNOBS}, "rank_by": rank_by, **more}
    return read_manifest(BUNDLE).model_copy(update=given)


@pytest.mark.parametrize(
    ("new", "old", "tolerance", "passed"),
    [(0.11, 0.10, 0.0, True), (0.10, 0.10, 0.0, True), (0.0999, 0.10, 0.0, False), (0.096, 0.10, 0.05, True),
     (0.095, 0.10, 0.05, True), (0.0949, 0.10, 0.05, False), (0.0, 0.0, 0.0, True)],
)  # fmt: skip
def test_a_candidate_may_lack_no_more_than_the_tolerance(
    new: float, old: float, tolerance: float, passed: bool
) -> None:
    verdict = judge(model(new), model(old), tolerance)
    assert verdict.passed is passed
    assert f"{new:.4f} on validation against {old:.4f}" in verdict.reason
    assert ("was expected" in verdict.reason) is not passed


def test_each_is_judged_by_the_order_that_it_ships() -> None:
    assert figure(model(0.2, "retrieval"), "ndcg@10", served=False) == 0.2
    assert judge(model(0.2, "retrieval"), model(0.1, "ranker"), 0.05).passed


def test_figures_of_what_was_asked_as_it_serves_count_where_both_have_them() -> None:
    def asked(pipeline: float, fitted: float, rank_by: str = "ranker", **sources: float) -> Manifest:
        figures = {"pipeline": pipeline, rank_by: fitted, **sources}
        validation = {name: {"ndcg@10": value} for name, value in figures.items()}
        return model(None, rank_by, metrics={"validation": validation})

    assert judge(asked(0.20, 0.10), asked(0.15, 0.30), 0.05).passed
    assert not judge(asked(0.10, 0.90), asked(0.15, 0.10), 0.05).passed
    assert judge(asked(0.10, 0.90), model(0.80), 0.05).passed, (
        "the one that serves has those of the fit alone"
    )
    # One that ships a single source was never fitted as that: only what was asked can be compared.
    assert judge(asked(0.10, 0.0, "rules", rules=0.21), asked(0.20, 0.9), 0.0).passed
    assert not judge(asked(0.10, 0.0, "rules", rules=0.21), model(0.1), 0.05).passed


def found(recall: float, users: int | None, ndcg: float = 0.2, rank_by: str = "rules") -> Manifest:
    """A model whose order one source decides, and what its towers find by themselves."""
    orders = {"retrieval": {"recall@100": recall, "ndcg@10": ndcg}}
    figures = orders | {name: {"ndcg@10": ndcg} for name in (rank_by, "pipeline")}
    told = {} if users is None else {"validated": users}
    return model(None, rank_by, metrics={"validation": figures}, training={"config": KNOBS, **told})


@pytest.mark.parametrize(
    ("new", "old", "users", "passed"),
    [
        (0.69, 0.72, 100_000, True), (0.68, 0.72, 100_000, False),  # a twentieth of .72 is .036
        # 1.96 √((.24 + .25) / 100) = .1372; at a hundred times the users a tenth of that
        (0.40, 0.50, 100, True), (0.35, 0.50, 100, False), (0.40, 0.50, 10_000, False),
        (0.0, 0.0, 100, True), (1.0, 1.0, 100, True), (0.95, 1.0, 100, True), (0.94, 1.0, 100, False),
        (0.0113, 0.0254, 709, False), (0.0141, 0.0254, 709, True),  # 8, 10 and 18 hits
    ],
)  # fmt: skip
def test_towers_that_find_less_than_tolerance_and_chance_explain_are_refused(
    new: float, old: float, users: int, passed: bool
) -> None:
    verdict = judge(found(new, users), found(old, users), 0.05)
    assert verdict.passed is passed
    if not passed:
        assert f"its towers alone have recall@100 {new:.4f}" in verdict.reason
        assert f"against {old:.4f} of {found(old, users).version}" in verdict.reason


def test_towers_are_compared_where_both_models_were_measured() -> None:
    assert judge(found(0.1, None), found(0.9, 1000), 0.05).passed, "how many were asked is not known"
    assert judge(found(0.1, 1000), model(0.2, "rules"), 0.05).passed, "what serves was not measured so"
    assert judge(found(0.1, 1000), None, 0.05).passed, "nothing serves"
    # What orders the answers is judged as before, however good the towers are.
    assert not judge(found(0.9, 1000, ndcg=0.1), found(0.5, 1000, ndcg=0.2), 0.05).passed


def test_the_first_model_passes_where_it_was_measured() -> None:
    assert judge(model(0.01), None, 0.05).passed
    assert not judge(model(None), None, 0.05).passed
    assert not judge(model(float("nan")), None, 0.05).passed


def test_what_cannot_be_compared_lets_nothing_through() -> None:
    other = {"config": {**KNOBS, "candidates": 50}}
    for serving, said in [
        (model(0.1, training=other), "other candidates"), (model(0.1, dataset="shop"), "shop"),
        (model(None), "to compare with"), (model(0.1, metrics={}), "to compare with"),
    ]:  # fmt: skip
        verdict = judge(model(0.5), serving, 0.05)
        assert not verdict.passed
        assert said in verdict.reason
