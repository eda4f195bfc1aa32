"""The second stage: a score, and where there is such a head a predicted rating, for each candidate."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle.reader import Bundle
from bundle.tabular import Tabular
from catalog.records import Candidates, Floats, History
from serving.catalogue import Rows
from serving.recommend.resemblance import hear_of_new
from towers.cross import HEARD, NEIGHBOUR_FEATURES, TABLES, Table, cross_features, listen
from towers.features import FeatureSpace
from towers.tabular import Counts, Moment, tabular_features


@dataclass(frozen=True)
class Viewer:
    """One user as the stages see them, and the items of that moment; what takes time waits until it is needed."""

    items: Rows
    inputs: Mapping[str, NDArray[Any]]
    """`user_row [1]`, `user_tokens [1, Pu]`."""
    look: Callable[[], Floats | None]
    """Runs the user tower: `[D]`, or None where it failed."""
    history: History
    cold: bool
    """Neither an id embedding nor a history: only side features speak for them."""
    time: float | None = None
    """As of when, in seconds since the epoch; None is now."""

    @cached_property
    def vector(self) -> Floats:
        """`[D]`; zero where the user tower failed."""
        return np.zeros(self.items.vectors.shape[1], np.float32) if self._seen is None else self._seen

    @property
    def failed(self) -> bool:
        """The user tower failed."""
        return self._seen is None

    @property
    def said(self) -> Floats:
        """[what is heard, n items] what the latest items' neighbours say about each: `towers.cross.heard`."""
        for table in TABLES:
            self._listen(table)
        return self._said

    def hear(self, name: str) -> Floats:
        """`[n items]` one of `towers.cross.HEARD`, without asking all tables of neighbours."""
        self._listen(NEIGHBOUR_FEATURES[name].table)
        said: Floats = self._said[HEARD.index(name)]
        return said

    @cached_property
    def _said(self) -> Floats:
        return np.zeros((len(HEARD), len(self.items)), np.float32)

    @cached_property
    def _asked(self) -> set[Table]:
        """The tables of neighbours that `_said` holds the answers of."""
        return set()

    def _listen(self, table: Table) -> None:
        if table in self._asked:
            return
        self._asked.add(table)
        listen(self._said, table, self.history, self.items.columns)
        if table == NEIGHBOUR_FEATURES["content"].table:
            hear_of_new(self._said, self.history, self.items.columns, self.items.bundled)

    @cached_property
    def _seen(self) -> Floats | None:
        return self.look()


@dataclass(frozen=True, slots=True)
class Scores:
    """One number or two per candidate; higher is better."""

    scores: Floats
    ratings: Floats | None = None


class Ranker(Protocol):
    """Scores candidates for a user."""

    def score(self, viewer: Viewer, found: Candidates, *, ratings: bool) -> Scores:
        """Finite scores `[n]` for n ≥ 1 candidates, and ratings where asked for and there is such a head.

        `found.scores` are the towers' inner products.
        """


class RetrievalRanker:
    """Keeps the order of retrieval: the fallback, and the baseline that a learned ranker has to beat."""

    def score(self, viewer: Viewer, found: Candidates, *, ratings: bool) -> Scores:
        """The inner products themselves."""
        return Scores(found.scores)


class OnnxRanker:
    """The bundle's ranker over user × candidate features, with or without the heads that only some calls need."""

    def __init__(self, bundle: Bundle, space: FeatureSpace) -> None:
        self._all_heads, self._score_only = bundle.ranker, bundle.scorer
        self._space = space
        self._range = bundle.manifest.rating_range

    def score(self, viewer: Viewer, found: Candidates, *, ratings: bool) -> Scores:
        """Run one graph once over all candidates; ratings are held to the data set's range."""
        graph = self._all_heads if ratings else self._score_only
        answers = graph.run(self._feeds(graph.inputs, viewer, found))
        scores, rated = answers["score"], answers.get("rating")
        if not np.isfinite(scores).all() or (rated is not None and not np.isfinite(rated).all()):
            raise ValueError("the ranker answered numbers that are not finite")
        if rated is not None and self._range is not None:
            rated = np.clip(rated, *self._range)
        return Scores(scores, rated)

    def _feeds(self, inputs: Container[str], viewer: Viewer, found: Candidates) -> dict[str, NDArray[Any]]:
        """What a graph declares; gathering what it does not read would cost as much as a small graph."""
        columns, rows = viewer.items.columns, found.rows
        feeds = {**viewer.inputs, "user_vector": viewer.vector[None]}
        gathered = {
            "item_row": columns.embedding_rows, "item_tokens": columns.tokens,
            "item_numeric": columns.numeric, "item_vector": viewer.items.vectors,
        }  # fmt: skip
        feeds |= {name: column.take(rows, 0) for name, column in gathered.items() if name in inputs}
        if "cross" in inputs:
            feeds["cross"] = cross_features(self._space, found, viewer.history, columns, viewer.said)
        if "rated_rows" in inputs or "rated_values" in inputs:
            feeds |= self._space.rated_inputs(viewer.history, columns.embedding_rows)
        return feeds


class TabularRanker:
    """A bundle's logistic regression or trees over named numbers, see `towers.tabular`.

    Running statistics go on from the bundle's counts by what the user did since; of other people's live events they
    hear with the next training.
    """

    def __init__(self, bundle: Bundle, space: FeatureSpace, tabular: Tabular) -> None:
        self._graph = bundle.scorer
        self._space = space
        self._names, self._facts = tabular.card.features, tabular.facts
        self._overall = float(self._facts.liked.sum() / max(float(self._facts.events.sum()), 1.0))

    def score(self, viewer: Viewer, found: Candidates, *, ratings: bool) -> Scores:
        """Run the graph once over all candidates; there are no ratings."""
        facts, columns, texts = self._facts, viewer.items.columns, viewer.items.texts
        assert texts is not None, "the catalogue is of the bundle that the ranker is of"
        moment = Moment(
            viewer.history, time.time() if viewer.time is None else viewer.time,
            Counts.of(facts.events, facts.liked, found.rows),
            Counts.of(facts.category_events, facts.category_liked, columns.tokens.take(found.rows, 0)),
            Counts.of(facts.group_events, facts.group_liked, viewer.inputs["user_tokens"][0]), self._overall,
        )  # fmt: skip
        features = tabular_features(self._names, self._space, found, moment, columns, texts, viewer.said)
        scores = self._graph.run({"features": features})["score"]
        if not np.isfinite(scores).all():
            raise ValueError("the ranker answered numbers that are not finite")
        return Scores(scores)


def ranker_of(bundle: Bundle, space: FeatureSpace) -> Ranker:
    """The ranker that a bundle carries."""
    if bundle.tabular is not None:
        return TabularRanker(bundle, space, bundle.tabular)
    return OnnxRanker(bundle, space)
