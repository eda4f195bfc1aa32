"""How wide the first stage has to be, and who should fill it: what pools of each size hold, and each source alone.

Where a protocol asks much, a sample of its questions; all figures here are of the same ones, so they compare.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from bundle.reader import Bundle
from catalog.progress import SILENT, Progress
from catalog.records import Ints
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig, Query, UserState
from training.answers import Answers, answer_states
from training.bootstrap import interval, resampled_means
from training.metrics import PER_USER, Doubles, recall_of
from training.questions import Questions

SIZES = (10, 20, 50, 100, 200, 300, 500, 1000)
"""Of the pool."""
SERVED = 500
"""The size whose sources are looked at."""
MOST = 2_500
"""Questions that are put to every size and source."""
SHOWN = ("ndcg@10", "recall@100", "recall@500")
"""Metrics of a source's own order."""


def bandwidth(bundle: Bundle, asked: Questions, progress: Progress) -> dict[str, Any]:
    """What a bundle's first stage could do with another width, and what its sources do alone.

    Returns:
        `pool_ceiling` and `pool_ndcg@10`: by size of the pool the share of right items in it, and what its ranking
        is worth. `sources`: by name the metrics of its own order, and `brought`, its part of the right items in the
        pool of SERVED. `best_source`: the largest NDCG@10 among them; `best_source_behind`: the (paired) interval of
        how far it is behind that of both stages.
    """
    asked = asked.some(MOST)
    # Never wider than what is asked for: so one pipeline has pools of every size.
    pipeline = Pipeline(bundle, PipelineConfig(candidates=1))
    ceiling, ndcg, gains = {}, {}, {}
    for size in SIZES:
        progress.start(f"pool of {size}", len(asked))
        judged = pooled(pipeline, asked, size, progress).judged
        ceiling[str(size)] = mean(recall_of(judged, size))
        gains[str(size)] = PER_USER["ndcg@10"](judged)
        ndcg[str(size)] = mean(gains[str(size)])
    parts = brought(pipeline, asked)
    sources = {}
    for name in pipeline.sources:
        progress.start(f"{name.replace('_', ' ')} alone", len(asked))
        judged = alone(pipeline, name, asked, SERVED, progress).judged
        gains[name] = PER_USER["ndcg@10"](judged)
        sources[name] = {
            **{metric: mean(PER_USER[metric](judged)) for metric in SHOWN},
            "brought": parts[name],
        }
    best = max(sources, key=lambda name: sources[name]["ndcg@10"])
    behind = resampled_means((gains[str(SERVED)] - gains[best])[:, None])[:, 0] if len(asked) else np.zeros(1)
    return {
        "pool_ceiling": ceiling, "pool_ndcg@10": ndcg, "sources": sources, "best_source": best,
        "best_source_behind": interval(behind),
    }  # fmt: skip


def pooled(pipeline: Pipeline, asked: Questions, size: int, progress: Progress = SILENT) -> Answers:
    """Whole pools of a size, as they are ranked."""

    def ranked(state: UserState) -> Ints:
        return pipeline.recommend(state, Query(limit=size)).rows

    return answer_states(asked, ranked, progress)


def alone(pipeline: Pipeline, name: str, asked: Questions, size: int, progress: Progress = SILENT) -> Answers:
    """What one source proposes by itself."""

    def proposed(state: UserState) -> Ints:
        return pipeline.propose(name, state, Query(limit=size)).rows

    return answer_states(asked, proposed, progress)


def brought(pipeline: Pipeline, asked: Questions) -> dict[str, float]:
    """Each source's part of the right items in the pools: of those that it was the first to propose."""
    found: Counter[str] = Counter()
    bounds = np.searchsorted(asked.owner, np.arange(len(asked) + 1))
    for question in range(len(asked)):
        ranked = pipeline.recommend(asked.state(question), Query(limit=SERVED))
        right = np.isin(ranked.rows, asked.right[bounds[question] : bounds[question + 1]])
        found.update(np.array(ranked.sources)[right].tolist())
    return {name: found[name] / max(1, found.total()) for name in pipeline.sources}


def mean(values: Doubles) -> float:
    """0 of nothing."""
    return float(values.mean()) if len(values) else 0.0
