"""What a run ships as its order: both stages, or one candidate source alone where that is worth more on validation.

The run is built and asked as it will serve, so the figures are those of the pipeline and not of a model in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.reader import Bundle
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig
from training.bootstrap import interval, resampled_means
from training.build import build
from training.config import TrainConfig
from training.course import Course
from training.metrics import Doubles, ndcg_of, recall_of
from training.protocols.bandwidth import alone, pooled
from training.questions import Questions
from training.run import SUMMARY, Run

STAGES = ("pipeline", "retrieval")
"""Both stages as the fit of the ranker would have them, and without the ranker."""
TOWERS = ("two_tower", "new")
"""Sources that are not asked alone: what they say is the order of retrieval."""
FOR_ALL = ("popular", "trending", "best_value", "top_categories")
"""Sources that tell everybody the same."""
MOST = 1_000
"""Questions that are asked, drawn evenly from all."""

Gains = Mapping[str, Doubles]
"""By stage or source, `[questions]` the NDCG@10 for each of what it would answer."""


def decided(run: Run, asked: Questions, config: TrainConfig, course: Course) -> Run:
    """The same run with what is worth most as its order, and with the figures behind that.

    Args:
        run: just exported.
        asked: what it has not learned from; of more than MOST questions some.
        config: width of the pool.
        course: told of the questions, and why a source alone was preferred.
    """
    asked = asked.some(MOST)
    if not len(asked):
        return run
    with TemporaryDirectory(prefix="towerbridge-choice-") as folder:
        bundle = Bundle.open(build(run, Path(folder)))
        course.progress.start("what each source is worth", None)
        gains, figures = measured(bundle, asked, config.candidates)
    summary = run.summary
    rank_by, reason = preferred(gains, summary.rank_by)
    if reason is not None:
        course.remark(reason)
    known = summary.metrics.get("validation")
    validation = {**(known if isinstance(known, dict) else {})}
    # The fit's own figures of retrieval are of the towers alone, before any other source.
    validation |= {name: dict(each) for name, each in figures.items() if name not in validation}
    settled = summary.model_copy(
        update={
            "rank_by": rank_by,
            "metrics": {**summary.metrics, "validation": validation},
            "training": {**summary.training, "notes": list(course.notes)},
        }
    )
    (run.folder / SUMMARY).write_text(settled.model_dump_json(indent=1) + "\n", "utf-8")
    return replace(run, summary=settled)


def measured(bundle: Bundle, asked: Questions, pool: int) -> tuple[Gains, dict[str, dict[str, float]]]:
    """NDCG@10 of what would be answered by both stages, by retrieval, and with each source deciding; by question too.

    A source that decides leaves the rest of a page to others, and of strangers it may know nothing: that is part of
    its NDCG@10, but not of its recall of the pool, which is of what it proposes by itself.

    Args:
        bundle: its `rank_by` says what both stages are.
        asked: on its catalogue.
        pool: how many candidates are looked at.
    """
    gains: dict[str, Doubles] = {}
    figures: dict[str, dict[str, float]] = {}

    def note(name: str, gain: Doubles, found: Doubles) -> None:
        gains[name] = gain
        figures[name] = {"ndcg@10": float(gain.mean()), "recall@pool": float(found.mean())}

    for name, rank_by in zip(STAGES, (bundle.manifest.rank_by, "retrieval"), strict=True):
        with deciding(bundle, rank_by, pool) as pipeline:
            judged = pooled(pipeline, asked, pool).judged
            sources = pipeline.sources
        note(name, ndcg_of(judged, 10), recall_of(judged, pool))
    for name in sources:
        if name not in TOWERS:
            with deciding(bundle, name, pool) as pipeline:
                shipped, own = pooled(pipeline, asked, 10), alone(pipeline, name, asked, pool)
            note(name, ndcg_of(shipped.judged, 10), recall_of(own.judged, pool))
    return gains, figures


@contextmanager
def deciding(bundle: Bundle, rank_by: str, pool: int) -> Iterator[Pipeline]:
    """The pipeline of a bundle as if it had been sealed with another order."""
    manifest = bundle.manifest.model_copy(update={"rank_by": rank_by})
    pipeline = Pipeline(replace(bundle, manifest=manifest), PipelineConfig(candidates=pool))
    try:
        yield pipeline
    finally:
        pipeline.catalogue.index.close()


def preferred(gains: Gains, rank_by: str) -> tuple[str, str | None]:
    """What orders best by NDCG@10, and why, where it is not what the fit of the ranker would have.

    Of equals the one that reads more of the user goes first: both stages, retrieval, then sources as they precede
    each other. Where a data set tells nothing of what users want, the first of them is so by chance: a source must
    be ahead of both stages, or of what is popular, by more than other users would have made of it. So must one that
    tells everybody the same, of the best that does not: of two that are as often right the one that knows the user
    shows more of the catalogue.
    """
    worth = {name: float(each.mean()) for name, each in gains.items()}
    best = max(worth, key=lambda name: worth[name])
    if best in FOR_ALL:
        personal = max((name for name in worth if name not in FOR_ALL), key=lambda name: worth[name])
        best = best if ahead(gains[best], gains[personal]) else personal
    if best == "pipeline":
        return rank_by, None
    if best == "retrieval":
        return best, (
            f"On validation the order of retrieval reaches NDCG@10 {worth[best]:.4f}, both stages "
            f"{worth['pipeline']:.4f}: retrieval decides the order."
        )
    told = (
        f"On validation the source {best} alone reaches NDCG@10 {worth[best]:.4f}, both stages "
        f"{worth['pipeline']:.4f}"
    )
    if not any(ahead(gains[best], gains[other]) for other in ("pipeline", "popular")):
        return rank_by, (
            f"{told}, popular items {worth['popular']:.4f}: with other users each could have been the first, "
            "so both stages decide the order."
        )
    return best, f"{told}: it decides the order, and the others fill what it leaves open."


def ahead(one: Doubles, other: Doubles) -> bool:
    """Whether the mean of one is above the other's in all but a fortieth of the resamples of users."""
    return interval(resampled_means((one - other)[:, None])[:, 0])[0] > 0
