"""The simulated shop: the same for the same seed, and learnable by who looks at the right thing."""

import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ConfigError
from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.records import BadRow
from catalog.simulated import behaviour
from catalog.simulated.behaviour import Behaviour, World
from catalog.simulated.dataset import SCHEMA, SimulatedDataset
from catalog.simulated.descriptions import STYLE_WORDS
from catalog.simulated.pictures import INKS, PAPERS, draw, png
from catalog.simulated.reactions import DISMISS, RATING, TYPES, react
from catalog.simulated.world import (
    BEGIN,
    COLOURS,
    DAYS,
    PATTERNS,
    SHAPES,
    STYLES,
    Size,
    make_goods,
    make_people,
)

SMALL = Size(items=80, users=30, events=600, seed=3)


def make_world(size: Size) -> World:
    return World(make_goods(size), make_people(size.users, size.seed), size.events, size.seed)


def make_behaviour(world: World) -> Behaviour:
    return behaviour.make_behaviour(world, react)


@cache
def demo() -> tuple[World, Behaviour]:
    """The demo's own size."""
    world = make_world(Size())
    return world, make_behaviour(world)


def columns(log: Behaviour) -> list[np.ndarray]:
    return [log.users, log.items, log.types, log.values, log.times]


@settings(max_examples=15)
@given(
    st.builds(
        Size, items=st.integers(50, 400), users=st.integers(10, 200), events=st.integers(100, 3000),
        seed=st.integers(0, 2**31),
    )
)  # fmt: skip
def test_the_same_seed_draws_the_same_and_every_size_is_exact(size: Size) -> None:
    log, again = make_behaviour(make_world(size)), make_behaviour(make_world(size))
    for one, other in zip(columns(log), columns(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(log) == size.events
    assert log.users.min() >= 0
    assert log.users.max() < size.users
    assert log.items.min() >= 0
    assert log.items.max() < size.items
    assert (np.diff(log.times) >= 0).all()
    assert len(np.unique(log.users * (1 << 34) + log.times)) == len(log), (
        "a user has two events in one second"
    )


def test_another_seed_draws_another_shop() -> None:
    one, other = make_world(SMALL), make_world(replace(SMALL, seed=4))
    assert (one.goods.category != other.goods.category).any()


def test_more_users_do_not_change_the_items() -> None:
    one, other = make_world(SMALL), make_world(replace(SMALL, users=500))
    np.testing.assert_array_equal(one.goods.places, other.goods.places)


@pytest.mark.parametrize("field", ["items", "users", "events", "seed", "pictures"])
def test_a_size_that_cannot_be_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} = -1 is too small to simulate; at least"):
        Size(**{field: -1})


class TestBehaviour:
    def test_types_and_values(self) -> None:
        _, log = demo()
        assert [TYPES[code] for code in range(4)] == list(SCHEMA.interactions)
        share = np.bincount(log.types, minlength=4) / len(log)
        assert (share > [0.4, 0.1, 0.25, 0.01]).all()
        rated = log.types == RATING
        assert set(np.unique(log.values[rated])) == {1, 2, 3, 4, 5}
        assert np.isnan(log.values[~rated]).all()

    def test_events_lie_within_the_year(self) -> None:
        _, log = demo()
        assert log.times.min() >= BEGIN
        assert log.times.max() < BEGIN + (DAYS + 1) * 86_400

    def test_a_few_items_are_much_more_popular_than_most(self) -> None:
        world, log = demo()
        counts = np.sort(np.bincount(log.items, minlength=len(world.goods)))[::-1]
        assert counts[:20].sum() > 5 * 0.01 * len(log), "the first percent of the items has too few events"
        assert (counts > 0).mean() > 0.95

    def test_what_is_not_on_sale_yet_is_not_met(self) -> None:
        world, log = demo()
        period = np.minimum((log.times - BEGIN) * 8 // (DAYS * 86_400), 7)
        early = world.goods.popularity[period, log.items] == 0
        assert early.mean() < 1e-3  # seconds at a period's edge are pushed apart

    def test_users_meet_most_items_once(self) -> None:
        _, log = demo()
        assert len(np.unique(log.users * (1 << 32) + log.items)) > 0.97 * len(log)

    def test_dismissed_items_are_liked_less_than_liked_ones(self) -> None:
        world, log = demo()
        when = (log.times - BEGIN) / (DAYS * 86_400)
        liking = world.attraction(log.users, log.items, when)
        means = [liking[log.types == code].mean() for code in range(4)]
        assert means[TYPES.index("like")] > means[TYPES.index("view")] + 0.3
        assert means[DISMISS] < means[TYPES.index("view")] - 0.5

    def test_ratings_follow_taste_quality_and_mood(self) -> None:
        world, log = demo()
        rated = log.types == RATING
        users, items, values = log.users[rated], log.items[rated], log.values[rated]
        taste = world.attraction(users, items, (log.times[rated] - BEGIN) / (DAYS * 86_400))
        known = np.stack(
            [taste, world.goods.quality[items], world.people.mood[users], np.ones(len(users))], 1
        )
        weights = np.linalg.lstsq(known, values, rcond=None)[0]
        error = np.sqrt(np.mean((known @ weights - values) ** 2))
        assert error < 0.6 * values.std()

    def test_taste_drifts(self) -> None:
        world, _ = demo()
        alike = np.einsum("ud,ud->u", world.people.early, world.people.late)
        assert 0.6 < alike.mean() < 0.95


class TestNextItem:
    """Leave the last event out and rank everything the user has not met."""

    @staticmethod
    def hit_rate(score: object) -> float:
        _, log = demo()
        order = np.lexsort((log.times, log.users))
        users, items = log.users[order], log.items[order]
        bounds = np.searchsorted(users, np.arange(users.max() + 2))
        hits = 0
        for user in range(0, len(bounds) - 1, 3):
            begin, end = bounds[user], bounds[user + 1] - 1
            scores = score(user, items[begin:end]).astype(float)  # type: ignore[operator]
            scores[items[begin:end]] = -np.inf
            hits += int((scores > scores[items[end]]).sum() < 10)
        return hits / len(range(0, len(bounds) - 1, 3))

    def test_who_knows_tastes_beats_popularity_and_who_knows_the_last_item_too(self) -> None:
        world, log = demo()
        popular = np.log1p(np.bincount(log.items, minlength=len(world.goods)))
        tastes = world.people.late @ world.goods.places.T / world.scale
        group = world.goods.group

        def same_group(user: int, seen: np.ndarray) -> np.ndarray:
            return popular + 20 * (group == group[seen[-1]])

        by_popularity = self.hit_rate(lambda user, seen: popular)
        by_taste = self.hit_rate(lambda user, seen: popular + 1.5 * tastes[user])
        by_last = self.hit_rate(same_group)
        by_both = self.hit_rate(lambda user, seen: same_group(user, seen) + tastes[user])
        assert by_taste > 1.7 * by_popularity
        assert by_last > 2.5 * by_popularity
        assert by_both > by_last

    def test_the_next_item_resembles_the_last(self) -> None:
        world, log = demo()
        order = np.lexsort((log.times, log.users))
        users, group = log.users[order], world.goods.group[log.items[order]]
        same_user = users[1:] == users[:-1]
        again = (group[1:] == group[:-1])[same_user].mean()
        chance = ((np.bincount(group) / len(group)) ** 2).sum()
        assert again > 10 * chance


class TestContent:
    def test_descriptions_tell_what_the_picture_shows_and_hint_at_the_style(self, tmp_path: Path) -> None:
        dataset = SimulatedDataset(SMALL, tmp_path)
        dataset.check()
        goods = make_world(SMALL).goods
        items = [row for row in dataset.parts()[0].rows() if not isinstance(row, BadRow)]
        for row, item in enumerate(items):
            assert COLOURS[goods.colour[row]] in item.text
            assert SHAPES[goods.shape[row]] in item.text.lower()
            style = STYLES[goods.style[row]]
            assert any(word in item.text for word in STYLE_WORDS[style])
            assert style not in item.text or style in " ".join(STYLE_WORDS[style])
            assert "{" not in item.text
        assert len({item.text for item in items}) > 0.9 * len(items)
        assert len({item.title for item in items}) == len(items)

    def test_a_picture_shows_ink_of_its_colour_on_paper_of_its_material(self) -> None:
        goods = make_world(SMALL).goods
        rows = np.arange(40)
        for row, pixels in zip(rows, draw(SMALL, goods, rows), strict=True):
            flat = pixels.reshape(-1, 3).astype(int)
            assert (flat == INKS[goods.colour[row]].astype(int)).all(1).mean() > 0.02 or (
                PATTERNS[goods.pattern[row]] == "faded"
            )
            assert (flat == PAPERS[goods.material[row]].astype(int)).all(1).mean() > 0.2

    def test_a_picture_does_not_depend_on_its_company(self) -> None:
        goods = make_world(SMALL).goods
        together = draw(SMALL, goods, np.arange(10))
        np.testing.assert_array_equal(together[7], draw(SMALL, goods, np.array([7]))[0])

    def test_png_is_what_others_read(self) -> None:
        image = pytest.importorskip("PIL.Image", reason="Pillow comes with the extra `serve`")
        import io

        pixels = draw(SMALL, make_world(SMALL).goods, np.array([0]))[0]
        with image.open(io.BytesIO(png(pixels))) as opened:
            assert (opened.format, opened.mode) == ("PNG", "RGB")
            np.testing.assert_array_equal(np.asarray(opened), pixels)

    def test_png_by_hand(self) -> None:
        content = png(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
        begin = content.index(b"IDAT") + 4
        assert zlib.decompressobj().decompress(content[begin:]) == bytes([0, 1, 2, 3, 4, 5, 6])


class TestDataset:
    def test_it_is_imported_and_a_second_time_nothing_changes(self, tmp_path: Path) -> None:
        dataset, store = SimulatedDataset(SMALL, tmp_path), MemoryStore()
        report = import_dataset(dataset, store)
        assert report.counts == store.counts()
        assert (report.counts.items, report.counts.users, report.counts.interactions) == (80, 30, 600)
        items = list(store.items())
        before = {path: path.read_bytes() for path in dataset.pictures.glob("*.png")}
        assert {Path(str(item.image)) for item in items} == set(before)
        again = import_dataset(dataset, store)
        assert all(file.inserted == file.updated == 0 for file in again.files)
        assert {path: path.read_bytes() for path in dataset.pictures.glob("*.png")} == before

    def test_pictures_that_were_not_finished_are_drawn_again(self, tmp_path: Path) -> None:
        dataset = SimulatedDataset(SMALL, tmp_path)
        dataset.check()
        rows = dataset.parts()[0].rows()
        next(rows)
        broken = dataset.pictures / "SIM0000001.png"
        whole = broken.read_bytes()
        broken.write_bytes(b"")
        rows.close()  # type: ignore[attr-defined]
        list(dataset.parts()[0].rows())
        assert broken.read_bytes() == whole

    def test_only_so_many_items_have_pictures(self, tmp_path: Path) -> None:
        dataset = SimulatedDataset(replace(SMALL, pictures=5), tmp_path)
        dataset.check()
        items = list(dataset.parts()[0].rows())
        assert [item.image is not None for item in items] == [True] * 5 + [False] * 75
        assert len(list(dataset.pictures.glob("*.png"))) == 5

    def test_records_fit_the_schema(self, tmp_path: Path) -> None:
        dataset = SimulatedDataset(replace(SMALL, pictures=0), tmp_path)
        dataset.check()
        items, users, events = (list(part.rows()) for part in dataset.parts())
        assert all(set(item.features) <= set(SCHEMA.items) for item in items)
        assert all(set(user.features) <= set(SCHEMA.users) for user in users)
        assert {event.type for event in events} <= set(SCHEMA.interactions)
        assert all((event.value is not None) == (event.type == "rating") for event in events)
        assert [event.sequence for event in events] == list(range(1, 601))
