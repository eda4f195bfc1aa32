"""Features of tabular rankers, by hand; and the parts of a bundle that hold what they read."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.tabular import Facts, RankerCard, Tabular, Texts
from bundle.themes import Themes
from catalog.errors import BundleError
from catalog.records import Candidates, History, Item, ItemId
from catalog.schema import DatasetSchema
from towers.cross import ItemColumns
from towers.features import FeatureSpace
from towers.tabular import FEED, SIX, Counts, Moment, feed_names, liked, tabular_features

SCHEMA = DatasetSchema.model_validate({
    "name": "tiny", "items": {"kind": {"kind": "categorical"}, "colour": {"kind": "categorical"}},
    "interactions": {
        "view": {"weight": 0.3}, "buy": {}, "rating": {"value": True, "minimum": 1, "maximum": 5, "positive_from": 4}
    },
})  # fmt: skip
VIEW, BUY, RATING = 1, 2, 3
KINDS = ["shoe/red", "shoe/blue", "hat/red", "hat/blue", "bag/green"]
ITEMS = [
    Item(ItemId(str(r)), features=dict(zip(("kind", "colour"), k.split("/"), strict=True)))
    for r, k in enumerate(KINDS)
]
SPACE = FeatureSpace.fit(SCHEMA, ITEMS, [])
MONDAY = 4 * 86_400.0
"""1970-01-05, midnight."""


def columns(items=ITEMS):
    tokens, numeric = SPACE.item_inputs(items)
    none, zeros = np.zeros((len(items), 0), np.int32), np.zeros((len(items), 0), np.float32)
    count = np.zeros(len(items), np.float32)
    near, weights = np.array([[1], [3], [1], [-1], [0]], np.int32), np.full((len(items), 1), 2.0, np.float32)
    return ItemColumns(
        tokens, numeric, np.zeros(len(items), np.int32), count, near, weights, none, zeros, none, zeros
    )


def facts(clusters=2):
    n = len(ITEMS)
    return Facts(
        np.arange(n, dtype=np.float32), np.zeros(n, np.float32),
        Texts(np.arange(n, dtype=np.float32) * 100, np.arange(n * clusters, dtype=np.float32).reshape(n, clusters)),
        *np.zeros((4, 3), np.float32),
    )  # fmt: skip


def history(*events):
    """(row, type, seconds before Monday's 13:30) of each event, oldest first."""
    rows, types, ago = zip(*events, strict=True) if events else ((), (), ())
    now = MONDAY + 13.5 * 3600
    return History(
        np.array(rows, np.int64), np.array(types, np.int64), np.full(len(rows), np.nan, np.float32),
        now - np.array(ago, float),
    )  # fmt: skip


def described(names, past, rows, items=None, groups=(0.0, 0.0), overall=0.25, categories=(0.0, 0.0)):
    rows = np.array(rows, np.int64)
    counts = items or Counts(np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32))
    of_groups = Counts(np.array(groups[:1], np.float32), np.array(groups[1:], np.float32))
    of_kinds = Counts(*(np.full((len(rows), 2), each, np.float32) for each in categories))
    moment = Moment(past, MONDAY + 13.5 * 3600, counts, of_kinds, of_groups, overall)
    found = Candidates(rows, np.linspace(1, 0, len(rows)).astype(np.float32))
    return tabular_features(names, SPACE, found, moment, columns(), facts().texts)


def test_the_six_by_hand():
    past = history((0, VIEW, 1000), (2, BUY, 100))  # a red shoe, then a red hat
    known = Counts(np.array([7, 0, 0], np.float32), np.zeros(3, np.float32))
    found = described(SIX, past, [1, 3, 4], known)  # blue shoe, blue hat, green bag
    older, newer = np.exp(-1 / 5), 1.0
    whole = older + newer
    assert found == pytest.approx(np.array([
        # both say 2 of the blue shoe; popularity, half of the features once, events, shoe's and hat's share, since
        [2 * whole, np.log(8), 0.5, np.log(3), 0.5 * older / whole, np.log(1001)],
        [0.0, 0.0, 0.5, np.log(3), 0.5 * newer / whole, np.log(101)],
        [0.0, 0.0, 0.0, np.log(3), 0.0, np.log(1 + 1e9)],
    ]), rel=1e-5)  # fmt: skip


def test_a_feed_by_hand():
    past = history((0, VIEW, 50), (1, BUY, 40), (2, VIEW, 30))
    names = feed_names(2, 1)
    known = Counts(np.array([20.0], np.float32), np.array([15.0], np.float32))
    (row,) = described(names, past, [3], known, groups=(60.0, 20.0), categories=([30.0, 0.0], [5.0, 0.0]))
    found = dict(zip(names, row.tolist(), strict=True))
    assert tuple(names[: len(FEED)]) == FEED
    assert found["text_length"] == 300
    # the red shoe and the red hat say 2 of the blue shoe only, which says as much of the blue hat
    assert (found["similarity"], found["closeness"]) == (pytest.approx(2 * np.exp(-1 / 5)), 1.0)
    assert found["item_like_rate"] == pytest.approx((15 + 20 * 0.25) / (20 + 20))
    # half of what 30 events with its kind tell, half of what nobody told of its colour
    assert found["category_like_rate"] == pytest.approx(((5 + 20 * 0.25) / (30 + 20) + 0.25) / 2)
    assert found["user_like_rate"] == pytest.approx((1 + 20 * 0.25) / (3 + 20))
    assert found["group_0"] == pytest.approx((20 + 5) / (60 + 20))
    assert (found["hour"], found["weekday"]) == (13, 0)
    assert (found["cluster_0"], found["cluster_1"]) == (6, 7)


def test_nobody_and_nothing_have_features_too():
    names = feed_names(2, 1)
    new = described(names, history(), [len(ITEMS) - 1])
    assert np.isfinite(new).all()
    assert Counts.of(facts().events, facts().liked, np.array([2, 99])).events.tolist() == [2.0, 0.0]


def test_a_strange_feature_is_refused():
    with pytest.raises(BundleError, match=r"found 'cluster_2' in ranker\.json"):
        described(["cluster_2"], history(), [0])


def test_what_says_liked():
    events = history((0, VIEW, 4), (0, BUY, 3), (0, RATING, 2), (0, RATING, 1))
    events.values[2:] = 3.5, 4.0
    assert liked(SPACE, events).tolist() == [False, True, False, True]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 2)), max_size=60))
def test_tokens_are_counted_as_a_plain_loop_counts_them(events):
    past = history(*((row, kind, 1000.0 - at) for at, (row, kind) in enumerate(events)))
    rows = [0, 3, 4]
    found = described(("interaction_count", "category_affinity"), past, rows)
    for row, got in zip(rows, found, strict=True):
        shared = [len(set(KINDS[row].split("/")) & set(KINDS[other].split("/"))) / 2 for other, _ in events]
        latest = shared[-20:]
        loud = [np.exp(-age / 5) for age in range(len(latest))][::-1]
        mean = float(np.dot(latest, loud) / sum(loud)) if latest else 0.0
        assert got == pytest.approx([sum(shared), mean], rel=1e-4, abs=1e-6)


THEMES = Themes(
    {"hat": 0, "shoe": 1}, np.array([1.0, 2.0], np.float32), np.eye(2, dtype=np.float32),
    np.array([[1.0, 0.0], [0.0, 1.0]], np.float32),
)  # fmt: skip
"""Clusters whose centres are one word each."""


def test_where_texts_lie_by_hand():
    """Three hats and a shoe weigh 1 + log 3 and 2 before they are brought to unit length."""
    hats = 1 + np.log(3)
    place = np.array([hats, 2.0]) / np.hypot(hats, 2.0)
    found = THEMES.distances(["HAT hat, hat: the shoe", "Shoe.", "no word of it", ""])
    assert found == pytest.approx(np.array([
        [np.hypot(1 - place[0], place[1]), np.hypot(place[0], 1 - place[1])],
        [np.sqrt(2), 0.0], [1.0, 1.0], [1.0, 1.0],
    ]), abs=1e-6)  # fmt: skip


def test_what_comes_later_is_described_too():
    item = Item(ItemId("new"), title="Hat", text="with a shoe")
    card = RankerCard(kind="logistic", features=SIX)
    told = Tabular(card, facts(), THEMES).texts_of([item])
    assert told.lengths.tolist() == [len("Hat with a shoe")]
    np.testing.assert_array_equal(told.clusters, THEMES.distances(["Hat with a shoe"]))
    usual = Tabular(card, facts(), None).texts_of([item, item])  # a bundle of before there were themes
    assert usual.clusters.tolist() == [[4.0, 5.0]] * 2


def test_the_part_comes_back_as_it_was_saved_and_a_wrong_one_is_refused(tmp_path):
    card = RankerCard(kind="logistic", features=SIX, importances={"similarity": 1.0})
    part = Tabular(card, facts(), THEMES)
    part.save(tmp_path)
    again = Tabular.open(tmp_path, len(ITEMS))
    assert again.card == part.card
    np.testing.assert_array_equal(again.facts.texts.clusters, part.facts.texts.clusters)
    assert again.themes.words == THEMES.words
    np.testing.assert_array_equal(again.themes.distances(["a shoe"]), THEMES.distances(["a shoe"]))
    (tmp_path / "tabular/category_events.npy").unlink()  # as in bundles of before they were counted
    old = Tabular.open(tmp_path, len(ITEMS)).facts
    assert Counts.of(old.category_events, old.category_liked, np.array([[0, 7]])).events.tolist() == [[0, 0]]
    assert Tabular.open(tmp_path / "tabular", 5) is None
    with pytest.raises(BundleError, match=r"lengths\.npy"):
        Tabular.open(tmp_path, 6)
    card = json.loads((tmp_path / "ranker.json").read_text())
    (tmp_path / "ranker.json").write_text(json.dumps({**card, "kind": "oracle"}))
    with pytest.raises(BundleError, match="card of a ranker"):
        Tabular.open(tmp_path, len(ITEMS))
