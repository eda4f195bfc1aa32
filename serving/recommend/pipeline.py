"""From one user's state to a ranked list: vector → candidates → rank → diversify → page.

Synchronous and pure: arrays of an open bundle in, rows out. HTTP, stores and ids stay outside, so evaluation
calls the very same object that answers requests. A stage that fails is named in the answer and the next best
thing is answered instead: without the ranker the order of retrieval, without index or user tower the sources
that need neither.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Literal

import numpy as np

from bundle.reader import Bundle
from catalog.errors import BundleError, DataError, RecommenderError
from catalog.records import Candidates, Floats, Ints
from index.protocol import Mask, best, best_first
from serving.catalogue import Catalogue, Rows
from serving.recommend.explain import reasons
from serving.recommend.likeness import Profile, Weights, compare
from serving.recommend.query import NO_ROWS, PipelineConfig, Query, Ranked, UserState
from serving.recommend.ranker import Ranker, Scores, Viewer, ranker_of
from serving.recommend.rerank import diversify, make_room
from serving.sources.merge import Pool, Shares, ask, by_one, for_strangers, merge
from serving.sources.registry import default_sources
from serving.sources.shares import NAMES, SHARES
from serving.sources.source import CandidateSource, Demand
from serving.sources.trending import Trending
from serving.sources.two_tower import TwoTower
from towers.features import FeatureSpace

log = logging.getLogger(__name__)
Timed = Callable[[tuple[float, float, float, float]], None]


def _untold(seconds: tuple[float, float, float, float]) -> None:
    """Nobody wants to know."""


class Pipeline:
    """Retrieves and ranks over one open bundle and the items that came to it since.

    Every call sees the items of one moment. Equal scores keep the order of precedence of their sources.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: PipelineConfig | None = None,
        *,
        sources: Sequence[CandidateSource] | None = None,
        ranker: Ranker | None = None,
    ) -> None:
        """Prepare to answer from a bundle.

        Args:
            bundle: an open bundle.
            config: widths and shares.
            sources: instead of those of the bundle, in order of precedence.
            ranker: instead of that of the bundle.

        Raises:
            BundleError: features or index do not fit the bundle, or what it ranks by is not there.
        """
        self.bundle = bundle
        self.config = config or PipelineConfig()
        self.space = FeatureSpace.load(bundle.path / "features.json")
        self.catalogue = Catalogue(bundle, self.space)
        self._shares = self.config.shares or tuple((bundle.manifest.shares or SHARES).items())
        self._sources = list(
            sources
            if sources is not None
            else default_sources(bundle, self.config.decay, dict(self._shares).get("new", 0.0))
        )
        self._ranker = ranker or ranker_of(bundle, self.space)
        rank_by = bundle.manifest.rank_by
        self._ranked = rank_by == "ranker"
        self._alone = None if rank_by in ("ranker", "retrieval") else rank_by
        """The source that decides alone."""
        if self._alone is not None and sources is None and self.source(self._alone) is None:
            raise BundleError(
                f"expected {bundle.path} to carry the source {rank_by!r} that it ranks by; build it again"
            )
        self.timed: Timed = _untold
        """Told how long user tower, retrieval, ranker and the rest of each recommendation took, in seconds."""

    @property
    def trending(self) -> Trending | None:
        """The source that live events are told to."""
        source = self.source("trending")
        return source if isinstance(source, Trending) else None

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources there are, in order of precedence."""
        return tuple(source.name for source in self._sources)

    def source(self, name: str) -> CandidateSource | None:
        """The source of that name; None where the bundle does not carry it."""
        return next((source for source in self._sources if source.name == name), None)

    def shares(self, cold: bool) -> Shares:
        """What part of the pool sources fill first: of somebody nothing is known of, or of others."""
        if self._alone is not None:
            return by_one(self._shares, self._alone, cold)
        return for_strangers(self._shares) if cold else self._shares

    def recommend(self, state: UserState, query: Query) -> Ranked:
        """The best items that the user has not seen, `offset` … `offset + limit` of them."""
        failed: list[str] = []
        began = perf_counter()
        viewer = self._viewer(state, failed, query.time)
        stranger = self._stranger(viewer)
        seen = perf_counter()
        items = viewer.items
        allowed = self._allowed(items, state.seen, query)
        wanted = self._wanted(items, query)
        pool = self._pool(stranger, self._demand(viewer, state, allowed, wanted), failed)
        retrieved = perf_counter()
        ranked = self._ranks(viewer)
        scored = self._score(viewer, pool.found, failed, ratings=False) if ranked else None
        scored_at = perf_counter()
        scores = pool.found.scores if scored is None else scored.scores
        order = best_first(scores)
        if query.diversity > 0:
            vectors = items.vectors[pool.found.rows[order]]
            chosen = diversify(vectors, scores[order], query.diversity, query.offset + query.limit)
            order = np.concatenate([order[chosen], np.delete(order, chosen)])
        newcomers = self._newcomers(viewer, pool)
        if newcomers.any():
            order = order[make_room(newcomers[order], self.config.new_every)]
        page = order[query.offset : query.offset + query.limit]
        rows = pool.found.rows[page]
        answer = Ranked(
            rows, scores[page], [pool.names[source] for source in pool.sources[page]],
            pool=len(pool.found),
            reasons=reasons(self.bundle.item_tower, viewer, rows) if query.explain else None,
            failed=tuple(failed),
        )  # fmt: skip
        self.timed((seen - began, retrieved - seen, scored_at - retrieved, perf_counter() - scored_at))
        return answer

    def retrieve(self, state: UserState, query: Query) -> Candidates:
        """The first stage alone: at least `config.candidates` rows in retrieval order."""
        failed: list[str] = []
        viewer = self._viewer(state, failed, query.time)
        wanted = max(self.config.candidates, query.offset + query.limit)
        allowed = self._allowed(viewer.items, state.seen, query)
        demand = self._demand(viewer, state, allowed, wanted)
        found = self._pool(self._stranger(viewer), demand, failed).found
        return best(found.rows, found.scores, len(found))

    def propose(self, name: str, state: UserState, query: Query) -> Ranked:
        """What one source proposes by itself, in its own order; nothing where the bundle does not carry it.

        Args:
            name: one of `serving.sources.shares.NAMES`.
            state: the user; a history of one item asks what goes with that item.
            query: page, filters and time.

        Raises:
            DataError: there is no source of that name.
        """
        source = self.source(name)
        if source is None and name not in NAMES:
            raise DataError(f"expected a source among {', '.join(NAMES)}; found {name[:80]!r}")
        failed: list[str] = []
        if source is None:
            return Ranked(NO_ROWS, np.zeros(0, np.float32), [])
        viewer = self._viewer(state, failed, query.time)
        allowed = self._allowed(viewer.items, state.seen, query)
        wanted = query.offset + query.limit
        found = ask(source, self._demand(viewer, state, allowed, wanted), failed)
        rows, scores = found.rows[query.offset : wanted], found.scores[query.offset : wanted]
        return Ranked(rows, scores, [name] * len(rows), failed=tuple(failed))

    def alike(self, profile: Profile, weights: Weights, query: Query, seen: Ints) -> Ranked:
        """The items most like a profile, by fused cosine alone: exact, and without towers or ranker.

        Args:
            profile: of an item, or a user's taste.
            weights: how much text, picture and behaviour count.
            query: page, filters and diversity.
            seen: rows to leave out.
        """
        items = self.catalogue.now
        scores, cosines = compare(items, profile, weights)
        found = np.flatnonzero(self._allowed(items, seen, query) & ~np.isnan(scores))
        order = found[best_first(scores[found])]
        if query.diversity > 0:
            order = order[: max(self.config.candidates, query.offset + query.limit)]
            chosen = diversify(
                items.vectors[order], scores[order], query.diversity, query.offset + query.limit
            )
            order = order[chosen]
        rows = order[query.offset : query.offset + query.limit]
        return Ranked(rows, scores[rows], ["fused"] * len(rows), cosines=cosines[rows])

    def together(self, row: int, query: Query) -> Ranked:
        """What was taken together with an item, most often first; nothing of an item that nobody took yet."""
        items = self.catalogue.now
        rows: Ints = items.columns.neighbour_rows[row].astype(np.int64)
        weights = items.columns.neighbour_weights[row]
        there = (rows >= 0) & (weights > 0) & self._allowed(items, NO_ROWS, query)[rows]
        found = best(rows[there], weights[there], query.offset + query.limit)
        rows = found.rows[query.offset :]
        return Ranked(rows, found.scores[query.offset :], ["item_item"] * len(rows))

    def allowed(self, query: Query) -> Mask:
        """`[n]` which items a query's filters let through."""
        return self._allowed(self.catalogue.now, NO_ROWS, query)

    def rank_rows(self, state: UserState, rows: Ints) -> Ints:
        """The given rows, the best for the user first."""
        failed: list[str] = []
        viewer = self._viewer(state, failed)
        found = Candidates(rows, self._similarity(viewer, rows))
        scored = self._score(viewer, found, failed, ratings=False) if self._ranks(viewer) else None
        order: Ints = rows[best_first(found.scores if scored is None else scored.scores)]
        return order

    def rank(
        self, state: UserState, item_ids: Sequence[str], by: Literal["score", "rating"] = "score"
    ) -> Ranked:
        """The given items, ranked for the user; each once, unknown ones named apart.

        Seen, hidden and cold items are ranked like others: the caller chose them.

        Args:
            state: the user.
            item_ids: any ids.
            by: `rating` orders by predicted rating where the ranker has that head.
        """
        failed: list[str] = []
        names = list(dict.fromkeys(item_ids))
        rows = self.catalogue.ids.rows(names)
        unknown = tuple(name for name, row in zip(names, rows.tolist(), strict=True) if row < 0)
        rows = rows[rows >= 0]
        viewer = self._viewer(state, failed)
        found = Candidates(rows, self._similarity(viewer, rows))
        scored = self._score(viewer, found, failed, ratings=True)
        scores = scored.scores if scored is not None and self._ranks(viewer) else found.scores
        ratings = None if scored is None else scored.ratings
        by_rating = by == "rating" and ratings is not None
        order = best_first(ratings if by_rating and ratings is not None else scores)
        return Ranked(
            rows[order], scores[order], ["request"] * len(rows),
            ratings=None if ratings is None else ratings[order], unknown=unknown, failed=tuple(failed),
        )  # fmt: skip

    def _ranks(self, viewer: Viewer) -> bool:
        """Whether the order head decides: it learned from histories, and of somebody without one it knows nothing."""
        return self._ranked and not viewer.cold and not viewer.failed

    def _viewer(self, state: UserState, failed: list[str], time: float | None = None) -> Viewer:
        """The user of a state; `failed` hears of the user tower when it fails, which is not before it is needed."""
        items = self.catalogue.now
        row = self.bundle.users.row(state.user.user_id) + 1 if state.user else 0
        inputs = self.space.user_inputs(state.user, row)

        def vector() -> Floats | None:
            try:
                feeds = {**inputs, **self.space.history_inputs(state.history, items.vectors)}
                found: Floats = self.bundle.user_tower.run(feeds)["user_vector"][0]
                if not np.isfinite(found).all():
                    raise ValueError("the user tower answered numbers that are not finite")
                return found
            except (RecommenderError, ValueError, RuntimeError) as exc:
                log.error("user tower failed: %s", exc)
                failed.append("user_tower")
                return None

        cold = not row and not len(state.history)
        return Viewer(items, inputs, vector, state.history, cold, state.time if time is None else time)

    def _demand(self, viewer: Viewer, state: UserState, allowed: Mask, wanted: int) -> Demand:
        return Demand(viewer, allowed, wanted, state.user.user_id if state.user else "", viewer.time)

    def _allowed(self, items: Rows, seen: Ints, query: Query) -> Mask:
        if query.categories:
            allowed = np.zeros(len(items), bool)
            for name in query.categories:
                allowed[items.categories.get(name, NO_ROWS)] = True
            allowed &= items.available
        else:
            allowed = items.available.copy()
        allowed[seen] = False
        allowed[query.exclude] = False
        return allowed

    def _wanted(self, items: Rows, query: Query) -> int:
        """How many candidates settle a page: as many as it ends at, where nothing moves up from further below."""
        end = query.offset + query.limit
        newcomers = self.config.new_every and len(items) > items.bundled
        settled = self._alone is not None and not newcomers and not query.diversity
        return end if settled else max(self.config.candidates, end)

    def _stranger(self, viewer: Viewer) -> bool:
        """Whether there is nothing to go by. The user tower is asked, but where one source decides."""
        return viewer.cold or (self._alone is None and viewer.failed)

    def _pool(self, stranger: bool, demand: Demand, failed: list[str]) -> Pool:
        viewer = demand.viewer
        pool = merge(self._sources, demand, self.shares(stranger), failed)
        if self._alone is not None:
            pool = pool.led_by(self._alone)
        if self._alone is not None or viewer.failed:  # the order of the sources is the order
            # From 1 towards 0 at the end of the widest pool, so that pages of a list agree.
            places = np.arange(len(pool.found), dtype=np.float32)
            scores: Floats = 1 - places / np.float32(max(self.config.candidates, demand.k))
        else:
            scores = self._similarity(viewer, pool.found.rows)
        return Pool(Candidates(pool.found.rows, scores), pool.sources, pool.names)

    def _newcomers(self, viewer: Viewer, pool: Pool) -> Mask:
        """`[n]` which of a pool came after the training, and lie as near the user as what the towers found."""
        new: Mask = pool.found.rows >= viewer.items.bundled
        if not self.config.new_every or not new.any() or viewer.failed:
            return np.zeros(len(new), bool)
        found = pool.of(TwoTower.name)
        found = found if found.any() else ~new
        near = pool.found.scores if self._alone is None else self._similarity(viewer, pool.found.rows)
        new &= near >= near[found].min(initial=np.inf)
        return new

    def _similarity(self, viewer: Viewer, rows: Ints) -> Floats:
        # `take` gathers rows of a matrix in a third of the time of an index.
        products: Floats = viewer.items.vectors.take(rows, 0) @ viewer.vector
        return products

    def _score(self, viewer: Viewer, found: Candidates, failed: list[str], *, ratings: bool) -> Scores | None:
        if not len(found):
            return None
        try:
            return self._ranker.score(viewer, found, ratings=ratings)
        except (RecommenderError, ValueError, RuntimeError) as exc:
            log.error("ranker failed, answering in retrieval order: %s", exc)
            failed.append("ranker")
            return None
