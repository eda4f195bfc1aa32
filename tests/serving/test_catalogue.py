"""The growing catalogue: rows stay, views stay, and everything agrees with a catalogue built at once."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.reader import Bundle, Content
from catalog.records import Candidates, Item, ItemId
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from serving.catalogue import Catalogue
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import PipelineConfig, Query, UserState
from serving.recommend.ranker import Scores, Viewer
from serving.recommend.resemblance import CONTENT, Resemblance, hear_of_new
from tests.bundle import senses
from tests.serving.recommend.test_pipeline import STRANGER, history
from towers.cross import heard
from towers.features import FeatureSpace


@pytest.fixture(scope="module")
def bundle(sensing_bundle: Path) -> Bundle:
    return Bundle.open(sensing_bundle)


@pytest.fixture
def catalogue(bundle: Bundle) -> Catalogue:
    return Pipeline(bundle).catalogue


def content_of(items: list[Item]) -> Content:
    text, no_text = HashingTextEncoder(senses.TEXT).encode(items)
    image, no_image = HashingImageEncoder().encode(items)
    mask = np.array([[a is None, b is None] for a, b in zip(no_text, no_image, strict=True)]).reshape(-1, 2)
    return Content(text, image, mask)


def put(catalogue: Catalogue, *items: Item) -> list[int]:
    return catalogue.put(catalogue.arrivals(items, content_of(list(items)))).tolist()


def test_a_new_item_gets_the_next_row_and_keeps_it(catalogue: Catalogue) -> None:
    assert put(catalogue, senses.item(48), senses.item(49)) == [48, 49]
    assert put(catalogue, senses.item(50), replace(senses.item(48), title="Other")) == [50, 48]
    now = catalogue.now
    assert len(now) == len(catalogue) == 51
    assert now.bundled == senses.N
    assert [catalogue.ids[row] for row in (0, 48, 50)] == ["i0", "i48", "i50"]
    assert catalogue.ids.rows(["i50", "no", "i3", "i49"]).tolist() == [50, -1, 3, 49]
    assert catalogue.shown(48)["title"] == "Other"
    assert now.columns.embedding_rows[[47, 48]].tolist() == [48, 0]
    assert now.columns.neighbour_rows[48].tolist() == [-1, -1]
    assert now.columns.popularity[48] == 0
    weights, vectors = senses.weights(), content_of([senses.item(49)])
    expected = vectors.text @ weights["text"] + vectors.image @ weights["image"]
    np.testing.assert_allclose(now.vectors[49], expected[0], atol=1e-5)
    assert now.lengths[49] == pytest.approx(np.linalg.norm(expected))


def test_an_item_of_the_bundle_keeps_what_users_did_with_it(catalogue: Catalogue, bundle: Bundle) -> None:
    before = catalogue.now
    assert put(catalogue, replace(senses.item(4), text="", image=None, features={"theme": "horror"})) == [4]
    now = catalogue.now
    np.testing.assert_allclose(now.vectors[4] - (before.vectors[4] * 0), now.vectors[4])
    assert now.columns.embedding_rows[4] == 5
    assert now.columns.neighbour_rows[4].tolist() == [8, 12]
    assert now.columns.popularity[4] == 96
    assert 4 in now.categories["horror"]
    assert 4 not in now.categories["space"]
    assert 4 in bundle.categories["space"], "the bundle itself never changes"
    assert 4 in before.categories["space"], "nor what was seen before"


def test_what_was_taken_before_stays_one_moment(catalogue: Catalogue) -> None:
    before = catalogue.now
    put(catalogue, senses.item(48))
    between = catalogue.now
    put(catalogue, senses.item(49))
    catalogue.hide("i48")
    for seen, count in ((before, 48), (between, 49), (catalogue.now, 50)):
        assert len(seen) == count == len(seen.vectors) == len(seen.lengths) == seen.index.shape[0]
        assert {len(getattr(seen.columns, field.name)) for field in fields(seen.columns)} == {count}
        assert seen.content is not None
        assert {len(getattr(seen.content, field.name)) for field in fields(Content)} == {count}


def test_replayed_items_of_the_bundle_are_what_they_were(catalogue: Catalogue, bundle: Bundle) -> None:
    """Encoders, tower and features in serving say of every item what they said in training."""
    put(catalogue, *(senses.item(row) for row in range(senses.N)))
    now = catalogue.now
    np.testing.assert_allclose(now.vectors, bundle.vectors, atol=1e-5)
    np.testing.assert_array_equal(now.columns.tokens, bundle.tokens)
    np.testing.assert_allclose(now.columns.numeric, bundle.numeric, atol=1e-6)
    np.testing.assert_array_equal(now.available, bundle.available)
    assert [catalogue.metadata[row] for row in range(senses.N)] == [
        bundle.metadata[row] for row in range(senses.N)
    ]
    assert {name: sorted(rows) for name, rows in now.categories.items()} == {
        name: rows.tolist() for name, rows in bundle.categories.items()
    }


@given(st.lists(st.tuples(st.integers(0, 55), st.booleans(), st.integers(0, 3)), max_size=12))
def test_any_writes_end_as_one_write_of_the_last_versions(
    bundle: Bundle, writes: list[tuple[int, bool, int]]
) -> None:
    """Search, similar items, recommendations: the same whichever way the items came there."""
    step, whole = Pipeline(bundle), Pipeline(bundle)
    last: dict[int, Item] = {}
    for row, available, theme in writes:
        item = replace(senses.item(row), available=available, features=senses.item(theme).features)
        put(step.catalogue, item)
        last.pop(row, None)
        last[row] = item
    order = sorted(last, key=lambda row: step.catalogue.ids.row(f"i{row}"))
    if order:
        put(whole.catalogue, *(last[row] for row in order))
    ours, theirs = step.catalogue, whole.catalogue
    assert [ours.ids[r] for r in range(len(ours))] == [theirs.ids[r] for r in range(len(theirs))]
    state = UserState(None, history(0, 4, 8, value=np.nan), np.array([0, 4, 8]))
    for one in (state, STRANGER):
        a, b = (pipeline.recommend(one, Query(limit=500)) for pipeline in (step, whole))
        assert a.rows.tolist() == b.rows.tolist()
        assert a.scores == pytest.approx(b.scores, abs=1e-5)
    for name in senses.THEMES:
        a, b = (p.recommend(STRANGER, Query(limit=500, categories=(name,))) for p in (step, whole))
        assert a.rows.tolist() == b.rows.tolist()
    allowed = step.allowed(Query())
    assert ours.words.search("rocket q3 q50", 99, allowed).rows.tolist() == (
        theirs.words.search("rocket q3 q50", 99, allowed).rows.tolist()
    )


class TestResemblance:
    def test_new_items_are_like_what_training_would_have_found(self, bundle: Bundle) -> None:
        """The measure is that of the table that training makes of all items."""
        neighbours = pytest.importorskip("training.neighbours", exc_type=ImportError)
        assert bundle.content is not None
        table = neighbours.alike(bundle.content, 6)
        own = np.arange(senses.N)
        rows, weights = Resemblance(bundle.content, 6).near(bundle.content, own)
        np.testing.assert_allclose(weights, table[1], atol=2e-3)
        assert (rows == table[0]).mean() > 0.9  # of equals another one may be named

    def test_a_history_is_heard_of_new_items_that_are_like_it(self, tmp_path: Path) -> None:
        bundle = Bundle.open(senses.make_sensing_bundle(tmp_path, alike=5))
        catalogue = Pipeline(bundle).catalogue
        assert put(catalogue, senses.item(48), senses.item(49)) == [48, 49]
        now = catalogue.now
        near = now.columns.alike_rows[48]
        assert {senses.theme(row) for row in near.tolist()} == {"space"}
        events = history(1, int(near[0]), value=np.nan)
        said = heard(events, now.columns)
        assert said[CONTENT, 48:].tolist() == [0, 0]
        hear_of_new(said, events, now.columns, now.bundled)
        assert said[CONTENT, 48] == pytest.approx(now.columns.alike_weights[48, 0], rel=1e-5)
        listed = 1 in now.columns.alike_rows[49].tolist()
        assert (said[CONTENT, 49] > 0) == listed
        others = np.delete(np.arange(len(said)), CONTENT)
        assert not said[others][:, 48:].any(), "nobody took them together with anything"

    def test_without_content_there_is_nothing_to_be_like(self, tmp_path: Path) -> None:
        bundle = Bundle.open(senses.make_sensing_bundle(tmp_path, with_content=False, alike=5))
        catalogue = Catalogue(bundle, FeatureSpace.load(bundle.path / "features.json"))
        put(catalogue, senses.item(48))
        assert catalogue.now.columns.alike_rows[48].tolist() == [-1] * 5


class Hostile:
    """A ranker to whom whatever is new is worth nothing."""

    def score(self, viewer: Viewer, found: Candidates, *, ratings: bool) -> Scores:
        return Scores(np.where(found.rows >= viewer.items.bundled, -100.0, found.scores).astype(np.float32))


@pytest.mark.parametrize(("every", "place"), [(10, 9), (5, 4), (1, 0)])
@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_a_newcomer_that_suits_has_a_place_whatever_the_ranker_says(
    bundle: Bundle, every: int, place: int, diversity: float
) -> None:
    pipeline = Pipeline(bundle, PipelineConfig(new_every=every), ranker=Hostile())
    put(pipeline.catalogue, replace(senses.item(3), item_id=ItemId("twin")))
    ranked = pipeline.recommend(UserState(None, history(3), np.array([3])), Query(diversity=diversity))
    assert ranked.rows.tolist().index(senses.N) == place
    assert ranked.sources[place] == "new"
    assert len(set(ranked.rows.tolist())) == 10


@pytest.mark.parametrize("like", ["liked", "disliked"])
def test_where_one_source_decides_a_newcomer_has_its_place_if_it_suits(bundle: Bundle, like: str) -> None:
    """Whether there are gaps or not; 12 candidates leave none, and popular items know nothing of who asks."""
    deciding = replace(bundle, manifest=bundle.manifest.model_copy(update={"rank_by": "popular"}))
    pipeline = Pipeline(deciding, PipelineConfig(candidates=12))
    user = UserState(None, history(3), np.array([3]))
    before = pipeline.recommend(user, Query())
    assert set(before.sources) == {"popular"}
    nearest_last = Pipeline(bundle).retrieve(user, Query(limit=100)).rows
    copied = 3 if like == "liked" else int(nearest_last[-1])
    put(pipeline.catalogue, replace(senses.item(copied), item_id=ItemId("twin")))
    ranked = pipeline.recommend(user, Query())
    expected = [*before.rows[:9].tolist(), senses.N] if like == "liked" else before.rows.tolist()
    assert ranked.rows.tolist() == expected


def test_the_ranker_alone_decides_where_no_place_is_kept(bundle: Bundle) -> None:
    pipeline = Pipeline(bundle, PipelineConfig(new_every=0), ranker=Hostile())
    put(pipeline.catalogue, replace(senses.item(3), item_id=ItemId("twin")))
    rows = pipeline.recommend(UserState(None, history(3), np.array([3])), Query(limit=100)).rows
    assert rows.tolist().index(senses.N) == len(rows) - 1


def test_no_place_is_kept_for_what_the_towers_would_not_find(bundle: Bundle) -> None:
    pipeline = Pipeline(bundle, PipelineConfig(candidates=10), ranker=Hostile())
    user = UserState(None, history(3), np.array([3]))
    worst = int(pipeline.recommend(user, Query(limit=100)).rows[-1])
    put(pipeline.catalogue, replace(senses.item(worst), item_id=ItemId("twin")))
    assert senses.N not in pipeline.recommend(user, Query(limit=9)).rows
