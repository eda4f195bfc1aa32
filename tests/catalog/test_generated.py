"""What is made up is always the same, follows what was declared, and is named."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from catalog.declaration import Behaviour, Traits
from catalog.errors import ConfigError, DataError
from catalog.generated.behaviour import CatalogueWares, made_up_parts
from catalog.generated.traits import draw_traits, fraction
from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.records import Interaction, Item, User
from catalog.schema import InteractionType
from tests.catalog.declare import EVENTS, TYPES, declared, records, write

BEHAVIOUR = """
[generated.behaviour]
users = 40
events = 900
group = "kind"
tastes = ["kind", "colour"]
shares = { view = 1 }
say = "Events are generated."
[items]
file = "p.csv"
id = "i"
features.kind = { kind = "categorical", column = "kind" }
features.colour = { kind = "categorical", column = "colour" }
"""
GOODS = "i,kind,colour\n" + "".join(f"p{n},k{n % 5},c{n % 3}\n" for n in range(60))
KINDS = {"search": InteractionType(query=True), "like": InteractionType(), "save": InteractionType()}


class TestTraits:
    TRAITS = Traits.model_validate({
        "say": "x", "features": {"os": {"values": {"a": 3, "b": 1}}, "age": {"least": 14, "most": 70}},
    })  # fmt: skip

    def test_the_same_user_is_always_the_same(self) -> None:
        assert draw_traits(self.TRAITS, "17") == draw_traits(self.TRAITS, "17")

    def test_shares_and_bounds_are_those_declared(self) -> None:
        drawn = [draw_traits(self.TRAITS, str(n)) for n in range(4000)]
        # Three standard deviations of a share of 3/4 among 4,000 are 0.02.
        assert np.mean([each["os"] == "a" for each in drawn]) == pytest.approx(0.75, abs=0.02)
        ages = [each["age"] for each in drawn]
        assert (min(ages), max(ages)) == (14, 69)
        assert np.mean(ages) == pytest.approx(41.5, abs=0.8)

    def test_traits_do_not_depend_on_each_other(self) -> None:
        drawn = [draw_traits(self.TRAITS, str(n)) for n in range(4000)]
        by_os = [np.mean([each["age"] for each in drawn if each["os"] == os]) for os in "ab"]
        assert abs(by_os[0] - by_os[1]) < 2

    def test_a_fraction_is_one(self) -> None:
        chances = [fraction(str(n)) for n in range(1000)]
        assert 0 <= min(chances) < max(chances) < 1

    @pytest.mark.parametrize("trait", ["{}", "{ values = { a = -1 } }", "{ values = { a = 1 }, most = 3 }"])
    def test_a_trait_that_cannot_be_drawn_is_refused(self, tmp_path: Path, trait: str) -> None:
        text = TYPES.replace("\n", '\nimplied = ["users", "items"]\n', 1) + EVENTS
        with pytest.raises(ConfigError, match=r"generated\.users"):
            declared(tmp_path, f'{text}[generated.users]\nsay = "x"\nfeatures.os = {trait}\n')


class TestStandIns:
    TEXT = (
        TYPES.replace("\n", '\nimplied = ["users", "items"]\n', 1)
        + EVENTS
        + """
[items]
file = "posts.csv"
optional = true
id = "id"
text = "text"
features.topic = { kind = "categorical", column = "topic" }
[generated.items]
folder = "news"
file = "news.csv"
id = "n"
text = "text"
features.topic = { kind = "categorical", column = "topic" }
say = "News stand in for posts."
"""
    )

    def test_items_of_which_only_the_id_is_known_get_rows_of_another_table(self, tmp_path: Path) -> None:
        views = "".join(f"u,{n},{n}\n" for n in range(300))
        write(tmp_path, {
            "own/views.csv": f"u,i,t\n{views}", "news/news.csv": "n,text,topic\n1,War,world\n2,Goal,sport\n",
        })  # fmt: skip
        dataset, store = declared(tmp_path / "own", self.TEXT), MemoryStore()
        report = import_dataset(dataset, store)
        items = {item.item_id: item for item in store.items()}
        assert len(items) == 300
        shares = Counter(item.text for item in items.values())
        assert {*shares} == {"War", "Goal"}
        assert min(shares.values()) > 120  # three standard deviations of a fair coin are 26
        assert items["7"] == dataset.implied_item("7")
        assert report.generated == store.load_schema().generated == ("News stand in for posts.",)
        assert report.missing == ("posts.csv",)
        assert report.implied == 301

    def test_the_real_table_wins(self, tmp_path: Path) -> None:
        write(tmp_path, {
            "own/views.csv": "u,i,t\n", "own/posts.csv": "id,text,topic\n1,Mine,own\n",
            "news/news.csv": "n,text,topic\n1,War,world\n",
        })  # fmt: skip
        dataset = declared(tmp_path / "own", self.TEXT)
        assert records(dataset, "items") == [Item("1", text="Mine", features={"topic": "own"})]
        assert dataset.implied_item("9") == Item("9", "9")
        assert (dataset.schema.generated, dataset.schema.missing) == ((), ())

    def test_without_the_other_table_nothing_is_made_up(self, tmp_path: Path) -> None:
        write(tmp_path, {"own/views.csv": "u,i,t\n"})
        dataset = declared(tmp_path / "own", self.TEXT)
        assert dataset.implied_item("9") == Item("9", "9")
        assert (dataset.schema.generated, dataset.schema.items) == ((), {})


class TestBehaviour:
    def drawn(self, **more: object) -> tuple[CatalogueWares, list[Interaction]]:
        behaviour = Behaviour.model_validate({
            "users": 300, "events": 20_000, "group": "kind", "tastes": ("kind", "colour"), "say": "x",
            "shares": {"search": 0.2, "like": 0.6, "save": 0.2}, **more,
        })  # fmt: skip
        goods = [
            Item(f"p{n}", f"Thing number {n}", features={"kind": f"k{n % 20}", "colour": f"c{n % 7}"})
            for n in range(400)
        ]
        users, events = made_up_parts(behaviour, KINDS, lambda: iter(goods))
        assert all(isinstance(user, User) for user in users.rows())
        return CatalogueWares.of(behaviour, goods), list(events.rows())  # type: ignore[arg-type]

    def test_shares_are_those_declared_and_searches_have_words_and_no_item(self) -> None:
        _, events = self.drawn()
        shares = Counter(event.type for event in events)
        assert len(events) == 20_000
        assert shares["search"] == pytest.approx(4000, abs=200)
        assert shares["save"] == pytest.approx(4000, abs=200)
        for event in events:
            assert (event.type == "search") == (event.query is not None) == (event.item_id == "")
        assert {"k3", "thing", "number", "thing number"} <= {event.query for event in events}
        assert [event.sequence for event in events] == list(range(1, 20_001))

    def test_it_is_always_the_same_and_another_seed_is_not(self) -> None:
        assert self.drawn()[1] == self.drawn()[1] != self.drawn(seed=8)[1]

    def test_people_keep_to_what_they_like(self) -> None:
        """Half of a person's kinds in the first half of their events predict those of the second."""
        wares, events = self.drawn()
        kind = dict(zip(wares.ids, wares.group.tolist(), strict=True))
        by_user: dict[str, list[int]] = {}
        for event in events:
            if event.item_id:
                by_user.setdefault(event.user_id, []).append(kind[event.item_id])
        repeated = []
        for kinds in by_user.values():
            early, late = set(kinds[: len(kinds) // 2]), kinds[len(kinds) // 2 :]
            repeated.append(np.mean([each in early for each in late]) - len(early) / wares.groups)
        assert np.mean(repeated) > 0.2

    def test_a_save_tells_more_liking_than_a_like(self) -> None:
        wares, events = self.drawn()
        row = {name: place for place, name in enumerate(wares.ids)}
        quality = {
            kind: np.mean([wares.quality[row[each.item_id]] for each in events if each.type == kind])
            for kind in ("like", "save")
        }
        assert quality["save"] > quality["like"] + 0.1

    def test_a_catalogue_with_nothing_in_it_has_no_events(self) -> None:
        behaviour = Behaviour.model_validate({
            "users": 3, "events": 5, "group": "kind", "tastes": ("kind",), "shares": {"like": 1}, "say": "x",
        })  # fmt: skip
        _, events = made_up_parts(behaviour, KINDS, lambda: iter(()))
        assert list(events.rows()) == []

    def test_items_that_say_nothing_still_have_visitors(self, tmp_path: Path) -> None:
        write(tmp_path, {"p.csv": "i,kind,colour\na,,\nb,,\n"})
        events = records(declared(tmp_path, TYPES + BEHAVIOUR), "interactions")
        assert len(events) == 900
        assert {event.item_id for event in events} == {"a", "b"}


class TestEditions:
    def test_made_up_data_of_another_catalogue_does_not_mix(self, tmp_path: Path) -> None:
        write(tmp_path, {"p.csv": GOODS})
        store, dataset = MemoryStore(), declared(tmp_path, TYPES + BEHAVIOUR)
        import_dataset(dataset, store)
        before = store.counts()
        other = declared(tmp_path, (TYPES + BEHAVIOUR).replace("events = 900", "events = 800"))
        with pytest.raises(DataError, match=r"holds other made-up data: .* do not mix; --replace empties"):
            import_dataset(other, store)
        assert store.counts() == before
        report = import_dataset(other, store, replace=True)
        assert (report.counts.items, report.counts.users, report.counts.interactions) == (60, 40, 800)
        assert import_dataset(other, store).files[2].unchanged == 800

    def test_recorded_data_has_one_edition_whatever_its_files(self, tmp_path: Path) -> None:
        write(tmp_path, {"p.csv": GOODS, "views.csv": "u,i,t\nu1,p1,1\n"})
        dataset = declared(tmp_path, TYPES + BEHAVIOUR + EVENTS)
        assert dataset.edition == ""
        assert dataset.schema.generated == ()
