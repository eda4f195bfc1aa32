"""All baselines by name, with the knobs that each is tried with: the best on validation is the one that is measured.

A baseline that is not tuned proves nothing, so they get what our own models get: their knobs are chosen on the
validation events of the very split that they are tested on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

from catalog.errors import ConfigError
from training.answers import Scores, answer_scores
from training.baselines.baseline import Baseline, Learned
from training.baselines.boosted import Boosted
from training.baselines.bpr import Bpr
from training.baselines.catboost_alone import CatboostAlone
from training.baselines.chance import Random
from training.baselines.content import Content
from training.baselines.ease import Ease
from training.baselines.ease_recency import EaseRecency
from training.baselines.ials import Ials
from training.baselines.item_knn import ItemKnn
from training.baselines.lightfm import LightFm
from training.baselines.logistic import Logistic
from training.baselines.most_popular import MostPopular
from training.baselines.neural_cf import NeuralCf
from training.baselines.tfrs_ranking import TfrsRanking
from training.baselines.top_rated import TopRated
from training.baselines.trending import Trending
from training.baselines.user_knn import UserKnn
from training.metrics import PER_USER
from training.questions import Questions, validation_questions

BASELINES: Mapping[str, tuple[Baseline, ...]] = {
    "random": (Random(),),
    "top_rated": (TopRated(5), TopRated(25), TopRated(100)),
    "most_popular": (MostPopular(),),
    "most_popular_decayed": (Trending(3), Trending(10), Trending(30), Trending(100)),
    "item_knn": (ItemKnn(20), ItemKnn(50), ItemKnn(200), ItemKnn(1_000_000)),
    "user_knn": (UserKnn(20), UserKnn(50), UserKnn(100), UserKnn(300)),
    "ease": (Ease(100), Ease(250), Ease(500), Ease(1000)),
    "ease_recency": (
        EaseRecency(500, 3), EaseRecency(500, 5), EaseRecency(500, 8), EaseRecency(500, 12),
        EaseRecency(250, 8), EaseRecency(1000, 8),
    ),
    "ials": (
        Ials(64, 10, 1), Ials(64, 10, 3), Ials(64, 30, 5), Ials(64, 30, 10), Ials(128, 10, 2), Ials(128, 30, 5),
    ),
    "bpr": (Bpr(64, 0.01, 0.01, 50), Bpr(64, 0.01, 0.01, 100), Bpr(128, 0.01, 0.01, 100)),
    "lightfm": (LightFm(),),
    "neural_cf": (NeuralCf(16, 10), NeuralCf(32, 10), NeuralCf(32, 20), NeuralCf(64, 10)),
    "content": (Content(), Content(5), Content(1)),
    "sbert_knn": tuple(Content(nearest, centred=False) for nearest in (1_000_000, 10, 3, 1)),
    "tfrs_ranking": (TfrsRanking(),),
    "tfrs_ranking_features": (TfrsRanking(features=True),),
    "logistic": (Logistic(),),
    "catboost": (Boosted(),),
    "catboost_alone": (CatboostAlone(), CatboostAlone(5)),
}  # fmt: skip
PACKAGES = {
    "ials": "implicit", "bpr": "implicit", "lightfm": "lightfm", "catboost": "catboost", "catboost_alone": "catboost",
}  # fmt: skip
"""What the extra `baselines` brings, by the baselines that need it."""
MOST = 2_500
"""Validation events that knobs are chosen on, drawn evenly from all."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A baseline that can answer."""

    name: str
    scores: Scores
    knobs: dict[str, Any]
    seconds: float
    """For all that was tried."""


def check(names: Iterable[str]) -> None:
    """Find out before hours of work whether all these baselines are there.

    Raises:
        ConfigError: an unknown name, or a package that is not installed.
    """
    for name in names:
        if name not in BASELINES:
            raise ConfigError(f"expected baselines among {', '.join(BASELINES)}, got {name!r}")
        package = PACKAGES.get(name)
        if package and find_spec(package) is None:
            raise ConfigError(
                f"the baseline {name} needs the package {package}, which is not installed: "
                "pip install 'towerbridge[baselines]' brings it, or name others with --baseline"
            )


def fitted(name: str, learned: Learned, asked: Questions, metric: str = "ndcg@10") -> Fitted:
    """The baseline with the knobs that are best.

    Args:
        name: of the baseline.
        learned: what it may learn from.
        asked: on which questions the knobs are chosen,
        metric: and by which metric.

    Raises:
        NotReadyError: the data set lacks what it reads.
    """
    began = time.perf_counter()
    tried = BASELINES[name]
    best, found = tried[0], None
    if len(tried) > 1 and len(asked):
        score = -1.0
        for one in tried:
            scores = one.fit(learned)
            judged = answer_scores(asked, scores, learned.popularity).judged
            reached = float(PER_USER[metric](judged).mean())
            if reached > score:
                best, found, score = one, scores, reached
    return Fitted(
        name, found or best.fit(learned), asdict(best), time.perf_counter() - began  # type: ignore[call-overload]
    )  # fmt: skip


def validation(learned: Learned, asked: Questions | None = None) -> Questions:
    """Where knobs are chosen: on some of what a protocol asks for that, or of the validation events."""
    asked = validation_questions(learned.data, learned.split) if asked is None else asked
    return asked.some(MOST)
