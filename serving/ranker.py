"""The second stage: a score, and where there is such a head a predicted rating, for each candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle.reader import Bundle
from catalog.records import Candidates, Floats, History
from towers.features import FeatureSpace, ItemColumns


@dataclass(frozen=True, slots=True)
class Viewer:
    """One user as the stages see them."""

    inputs: Mapping[str, NDArray[Any]]
    """`user_row [1]`, `user_tokens [1, Pu]`."""
    vector: Floats
    """[D]"""
    history: History
    cold: bool
    """Neither an id embedding nor a history: only side features speak for them."""
    failed: bool = False
    """The user tower failed; the vector is zero."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One number or two per candidate; higher is better."""

    scores: Floats
    ratings: Floats | None = None


class Ranker(Protocol):
    """Scores candidates for a user."""

    def score(self, viewer: Viewer, found: Candidates) -> Scores:
        """Finite scores `[n]` for n ≥ 1 candidates; found.scores are the towers' inner products."""


class RetrievalRanker:
    """Keeps the order of retrieval: the fallback, and the baseline that a learned ranker has to beat."""

    def score(self, viewer: Viewer, found: Candidates) -> Scores:
        """The inner products themselves."""
        return Scores(found.scores)


class OnnxRanker:
    """The bundle's `ranker.onnx` over user × candidate features."""

    def __init__(self, bundle: Bundle, space: FeatureSpace, columns: ItemColumns) -> None:
        self._graph = bundle.ranker
        self._vectors = bundle.vectors
        self._columns = columns
        self._space = space
        self._range = bundle.manifest.rating_range
        self._reads_ratings = "rated_rows" in bundle.ranker.inputs

    def score(self, viewer: Viewer, found: Candidates) -> Scores:
        """Run the graph once over all candidates; ratings are held to the data set's range."""
        columns, rows = self._columns, found.rows
        feeds = {
            **viewer.inputs,
            "user_vector": viewer.vector[None],
            "item_row": columns.embedding_rows[rows],
            "item_tokens": columns.tokens[rows],
            "item_numeric": columns.numeric[rows],
            "item_vector": self._vectors[rows],
            "cross": self._space.cross(found, viewer.history, columns),
        }
        if self._reads_ratings:
            feeds |= self._space.rated_inputs(viewer.history, columns.embedding_rows)
        answers = self._graph.run(feeds)
        scores, ratings = answers["score"], answers.get("rating")
        if not np.isfinite(scores).all() or (ratings is not None and not np.isfinite(ratings).all()):
            raise ValueError("the ranker answered numbers that are not finite")
        if ratings is not None and self._range is not None:
            ratings = np.clip(ratings, *self._range)
        return Scores(scores, ratings)
