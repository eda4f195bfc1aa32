"""Puts the questions of a protocol to a bundle, through the pipeline that serves it, and to baselines.

Every method is asked the same questions and marked by the same metrics. What comes back per table is the figures of
each method, and beside them how sure they are, how they differ between slices, and where along the chain right items
are lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bundle.reader import Bundle
from catalog.errors import NotReadyError
from catalog.progress import Progress
from catalog.records import Floats, Ints
from index.faiss_index import FaissIndex, measured_recall
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig, Query, UserState
from serving.recommend.ranker import RetrievalRanker
from training.answers import Answers, answer_scores, answer_states
from training.baselines.baseline import Learned
from training.baselines.registry import fitted, validation
from training.bootstrap import interval, resampled_means
from training.metrics import PER_USER, Doubles, coverage, gini, novelty, per_user
from training.protocols.bandwidth import bandwidth, mean
from training.protocols.exam import Exam
from training.questions import Questions
from training.slices import slices

DEEPEST = 500
"""Answers that are looked at; the deepest metric is recall@500."""
MOST = 5_000
"""Questions of a table, unless more are asked for; they are drawn evenly from all."""
SLICED = ("ndcg@10", "hit_rate@10", "recall@100")
QUERIES = 500
"""User vectors on which the index is compared with exact search."""
PIPELINE, RETRIEVAL = "pipeline", "retrieval"


@dataclass(slots=True)
class Marked:
    """What came of one protocol."""

    figures: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """By table and method."""
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By table."""


def examine(
    exam: Exam, bundle: Bundle, baselines: Iterable[str], seed: int, progress: Progress, most: int = MOST
) -> Marked:
    """Ask a bundle and baselines everything.

    Args:
        exam: the protocol.
        bundle: has learned from the training part of the exam's split.
        baselines: names, besides those that the protocol always asks.
        seed: of the baselines.
        progress: told of users.
        most: questions of a table at most.
    """
    marked = Marked()
    tables = {table: asked.some(most) for table, asked in exam.tables.items()}
    shipped = Shipped(bundle)
    answers: dict[str, dict[str, Answers]] = {
        table: shipped.answers(table, asked, progress) for table, asked in tables.items()
    }
    learned = Learned.of(exam.data, exam.split, seed)
    asked_before = validation(learned, exam.validation)
    tried: dict[str, Any] = {}
    for name in dict.fromkeys((*exam.beside, *baselines)):
        label = name.replace("_", " ")
        progress.start(f"fit {label}", None)
        try:
            baseline = fitted(name, learned, asked_before, exam.decisive)
        except NotReadyError as exc:
            tried[name] = {"left_out": str(exc)}
            continue
        tried[name] = {"knobs": baseline.knobs, "seconds": round(baseline.seconds, 2)}
        for table, asked in tables.items():
            progress.start(f"{table.replace('_', ' ')}, {label}", len(asked))
            answers[table][name] = answer_scores(asked, baseline.scores, learned.popularity, progress)
    for table, asked in tables.items():
        marked.figures[table] = {name: figures(asked, each, learned) for name, each in answers[table].items()}
        marked.details[table] = {
            "users": len(asked), "of_users": len(exam.tables[table]), "right_items": len(asked.right),
            "intervals": intervals(answers[table]),
            "slices": by_slice(asked, answers[table], learned),
            "stages": {
                "order": bundle.manifest.rank_by,
                "ranker_lift": lift(answers[table]),
                **({} if asked.restricted else shipped.stages(asked, progress)),
                **({"reads": bundle.tabular.card.model_dump()} if bundle.tabular else {}),
            },
            "baselines": tried,
        }  # fmt: skip
    return marked


class Shipped:
    """A bundle as it serves."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._pipeline = Pipeline(bundle, PipelineConfig(candidates=DEEPEST))
        self._towers = Pipeline(bundle, PipelineConfig(candidates=DEEPEST), ranker=RetrievalRanker())

    def answers(self, table: str, asked: Questions, progress: Progress) -> dict[str, Answers]:
        """Of the pipeline, and of its first stage alone."""
        names = np.array(self._bundle.items.ids, object)

        def ranked(state: UserState) -> Ints:
            return self._pipeline.recommend(state, Query(limit=DEEPEST)).rows

        def retrieved(state: UserState) -> Ints:
            return self._pipeline.retrieve(state, Query(limit=DEEPEST)).rows

        def chosen(pipeline: Pipeline, state: UserState) -> Ints:
            allowed = asked.among.copy()
            allowed[state.seen] = False
            return pipeline.rank(state, names[allowed].tolist()).rows

        methods = {PIPELINE: ranked, RETRIEVAL: retrieved}
        if asked.restricted:
            methods = {
                PIPELINE: lambda state: chosen(self._pipeline, state),
                RETRIEVAL: lambda state: chosen(self._towers, state),
            }
        found = {}
        for name, method in methods.items():
            progress.start(f"{table.replace('_', ' ')}, {name}", len(asked))
            found[name] = answer_states(asked, method, progress)
        return found

    def stages(self, asked: Questions, progress: Progress) -> dict[str, Any]:
        """Where right items are lost: by the width of the pool and its sources, and by the index."""
        index = FaissIndex.load(self._bundle.path / "index.faiss", self._bundle.vectors)
        recall = measured_recall(index, self._bundle.vectors, self._user_vectors(asked))
        return {
            **bandwidth(self._bundle, asked, progress),
            "index": index.kind, "index_recall@100": recall,
        }  # fmt: skip

    def _user_vectors(self, asked: Questions) -> Floats:
        vectors = [np.zeros((0, self._bundle.manifest.dims.vector), np.float32)]
        for question in range(min(len(asked), QUERIES)):
            state, space = asked.state(question), self._pipeline.space
            row = self._bundle.users.row(state.user.user_id) + 1 if state.user else 0
            feeds = space.user_inputs(state.user, row) | space.history_inputs(
                state.history, self._bundle.vectors
            )
            vectors.append(self._bundle.user_tower.run(feeds)["user_vector"])
        return np.concatenate(vectors)


def figures(asked: Questions, answers: Answers, learned: Learned) -> dict[str, float]:
    """Means over users, and properties of the lists."""
    items, takers = int(asked.among.sum()), np.asarray(learned.matrix.getnnz(0), np.int64)
    users = int((np.diff(learned.matrix.indptr) > 0).sum())
    return {
        **{name: mean(values) for name, values in per_user(answers.judged).items()},
        "coverage@10": coverage(answers.top, items),
        "gini@10": gini(answers.top, asked.among),
        "novelty@10": novelty(answers.top, takers, users),
    }


def intervals(answers: Mapping[str, Answers]) -> dict[str, dict[str, tuple[float, float]]]:
    """The 95 % confidence interval of every mean, by method and metric."""
    columns = np.concatenate([_table(each) for each in answers.values()], axis=1)
    if not len(columns):
        return {}
    means = iter(resampled_means(columns).T)
    return {method: {name: interval(next(means)) for name in PER_USER} for method in answers}


def lift(answers: Mapping[str, Answers]) -> dict[str, Any]:
    """By which part NDCG@10 of the pipeline is above that of the retrieval order, and the interval of that."""
    both = np.stack([per_user(answers[name].judged)["ndcg@10"] for name in (PIPELINE, RETRIEVAL)], axis=1)
    if not both[:, 1].any():
        return {"ndcg@10": None, "interval": None}
    means = resampled_means(both)
    means = means[means[:, 1] > 0]
    ranked, retrieved = both.mean(0)
    return {"ndcg@10": float(ranked / retrieved - 1), "interval": interval(means[:, 0] / means[:, 1] - 1)}


def by_slice(asked: Questions, answers: Mapping[str, Answers], learned: Learned) -> list[dict[str, Any]]:
    """A few metrics of every method, for each slice of the questions."""
    found = []
    for kind, name, pairs in slices(asked, learned.popularity):
        means: dict[str, dict[str, float]] = {}
        users = 0
        for method, each in answers.items():
            judged = each.judged.take(pairs)
            means[method] = {metric: mean(PER_USER[metric](judged)) for metric in SLICED}
            users = len(judged)
        found.append({"by": kind, "slice": name, "users": users, "methods": means})
    return found


def _table(answers: Answers) -> Doubles:
    return np.stack(list(per_user(answers.judged).values()), axis=1)
