"""What tabular rankers read: numbers about a user, each candidate and the moment, by name.

Training and serving call the same functions, as with `towers.features`; numpy only. Running statistics are told to
them: as of each row in training, those of the bundle in serving. So nothing here can look ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.tabular import Texts
from catalog.errors import BundleError
from catalog.records import Candidates, Floats, History
from towers.cross import DECAY, HEARD, RECENT, ItemColumns, heard, recency
from towers.features import FeatureSpace

SIX = (
    "similarity", "item_popularity", "interaction_count", "history_size", "category_affinity", "time_since_last",
)  # fmt: skip
"""Those of the retailer's logistic regression."""
FEED = (
    *SIX, "closeness", "text_length", "item_like_rate", "category_like_rate", "user_like_rate", "hour", "weekday",
)  # fmt: skip
"""Those of a feed; clusters of texts (`cluster_0` …) and the user's groups (`group_0` …) come on top."""
PRIOR = 20.0
"""Events at the overall rate that a rate of few events is smoothed by."""
COVISITATION = HEARD.index("covisitation")
HOUR, DAY = 3_600.0, 86_400.0
LONGEST = 1e9
"""Seconds: what never happened was so long ago."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each of some things was met before a moment, and how often that said liked."""

    events: Floats
    """`[m]`, or of any other shape that the things have."""
    liked: Floats
    """Of the same shape."""

    def rates(self, overall: float) -> Floats:
        """Shares that were liked, smoothed towards the overall one."""
        rates: Floats = ((self.liked + PRIOR * overall) / (self.events + PRIOR)).astype(np.float32)
        return rates

    @classmethod
    def of(cls, events: Floats, liked: Floats, rows: NDArray[np.integer]) -> Counts:
        """Those of some rows; of rows that came later than the counts nothing is known."""
        known = rows < len(events)
        at = np.where(known, rows, 0)
        return cls(np.where(known, events[at], 0.0), np.where(known, liked[at], 0.0))


@dataclass(frozen=True, slots=True)
class Moment:
    """A user, when they are to be shown something, and what is known by then."""

    history: History
    """Up to that moment, oldest first."""
    time: float
    """Seconds since the epoch."""
    items: Counts
    """Of the m candidates."""
    categories: Counts
    """`[m, item_slots]` of the candidates' tokens: of all items that have them."""
    groups: Counts
    """Of the user's own tokens, one per column."""
    overall: float
    """Share of all events that say liked."""


def feed_names(clusters: int, groups: int) -> tuple[str, ...]:
    """The features of a feed whose texts fall into clusters and whose users have side features."""
    return (*FEED, *(f"cluster_{c}" for c in range(clusters)), *(f"group_{g}" for g in range(groups)))


def tabular_features(
    names: Sequence[str],
    space: FeatureSpace,
    found: Candidates,
    moment: Moment,
    items: ItemColumns,
    texts: Texts,
    said: Floats | None = None,
) -> Floats:
    """The named features of candidates, `[m, len(names)]`.

    similarity: what the latest items say of the candidate by co-visitation, the latest loudest. item_popularity: log
    of the item's events. interaction_count: events with items that have side features of the candidate's, each
    counted by how many of them. category_affinity: the same over the latest events, as a share and the latest
    loudest. time_since_last: log of the seconds since the last such event. closeness: the towers' inner product.
    item_like_rate, category_like_rate, user_like_rate, group_g: smoothed shares of events that say liked, of the
    item, of all items that share its side features (the mean over these), of the user, and of all users who have the
    g-th token of theirs. hour and weekday are UTC's, Monday is 0.

    Args:
        names: of `SIX` or `feed_names`.
        space: which tokens there are, and what says liked.
        found: m candidates and their inner products.
        moment: the user.
        items: the catalogue.
        texts: of all items.
        said: `heard(history, items)`, where the caller has it already.

    Raises:
        BundleError: a name that is not known here.
    """
    rows = found.rows
    out = np.empty((len(rows), len(names)), np.float32)
    history = moment.history
    said = heard(history, items) if said is None else said
    count, affinity, last = by_tokens(space, rows, history, items)
    since = np.clip(moment.time - last, 0.0, LONGEST)
    own, there = liked(space, history), items.tokens.take(rows, 0) > 0
    columns: dict[str, Floats | float] = {
        "similarity": said[COVISITATION].take(rows),
        "closeness": found.scores,
        "item_popularity": np.log1p(moment.items.events),
        "interaction_count": count,
        "history_size": float(np.log1p(len(history))),
        "category_affinity": affinity,
        "time_since_last": np.log1p(since),
        "text_length": texts.lengths.take(rows),
        "item_like_rate": moment.items.rates(moment.overall),
        "category_like_rate": mean_where(there, moment.categories.rates(moment.overall), moment.overall),
        "user_like_rate": float((own.sum() + PRIOR * moment.overall) / (len(own) + PRIOR)),
        "hour": float(moment.time % DAY // HOUR),
        "weekday": float((moment.time // DAY + 3) % 7),
    }
    groups = moment.groups.rates(moment.overall)
    clusters = texts.clusters.shape[1]
    for at, name in enumerate(names):
        kind, _, number = name.rpartition("_")
        if name in columns:
            out[:, at] = columns[name]
        elif kind == "cluster" and int(number) < clusters:
            out[:, at] = texts.clusters[rows, int(number)]
        elif kind == "group" and int(number) < len(groups):
            out[:, at] = groups[int(number)]
        else:
            raise BundleError(
                f"expected features among {', '.join(feed_names(clusters, len(groups)))}, found {name!r} in "
                "ranker.json; the bundle is of another version of the project"
            )
    return out


def by_tokens(
    space: FeatureSpace, rows: NDArray[np.integer], history: History, items: ItemColumns
) -> tuple[Floats, Floats, NDArray[np.float64]]:
    """How each row's tokens `[m]` occur in a history: in all of it, in the latest part, and when last."""
    slots = items.tokens.shape[1]
    seen, mine = items.tokens.take(history.rows, 0), items.tokens.take(rows, 0)
    share = 1.0 / np.maximum((mine > 0).sum(1), 1).astype(np.float32)
    loud = recency(min(len(history), RECENT), DECAY)
    all_events = np.bincount(seen.ravel(), minlength=space.item_tokens).astype(np.float32)
    latest = np.bincount(seen[-len(loud) :].ravel(), np.repeat(loud, slots), space.item_tokens)
    when = np.full(space.item_tokens, -np.inf)
    np.maximum.at(when, seen.ravel(), np.repeat(history.times, slots))
    all_events[0], latest[0], when[0] = 0.0, 0.0, -np.inf  # padding
    affinity = (latest.take(mine).sum(1) * share / max(float(loud.sum()), 1e-12)).astype(np.float32)
    return all_events.take(mine).sum(1) * share, affinity, when.take(mine).max(1, initial=-np.inf)


def mean_where(there: NDArray[np.bool_], values: Floats, otherwise: float) -> Floats:
    """Means `[m]` of the values `[m, s]` that are there; another one where none is."""
    count = there.sum(1)
    means: Floats = np.where(count > 0, (values * there).sum(1) / np.maximum(count, 1), otherwise)
    return means.astype(np.float32)


def liked(space: FeatureSpace, history: History) -> NDArray[np.bool_]:
    """`[events]` which say liked: by value where their type has one, else those that count a whole example."""
    weights = np.array([0.0, *space.type_weights])
    least = np.array([np.nan, *(np.nan if one is None else one for one in space.liked_from)])
    values, floor = history.values, least[history.types]
    said: NDArray[np.bool_] = np.where(np.isnan(floor), weights[history.types] >= 1.0, values >= floor)
    return said
