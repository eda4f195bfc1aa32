"""The HTML report: what it says, that it is whole, and where its bars and points stand."""

from __future__ import annotations

import io
import re
from datetime import datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from PIL import Image

pytest.importorskip("jinja2", reason="needs the extra `train`")

from catalog.records import Item, ItemId
from catalog.schema import DatasetSchema
from tests.bundle.senses import data_uri, picture
from tests.towerbridge.test_figures import report
from towerbridge.report import charts, words
from towerbridge.report.page import page
from towerbridge.report.scene import Scene
from towerbridge.report.sections import Feature, headline, ratings, sections
from towerbridge.report.thumbnail import SIDE, thumbnail
from training.calibration import Bin, Calibration
from training.examples import Example
from training.spread import over_seeds

VOID = {"meta", "img", "br"}
EVIL = "<script>alert(1)</script>&\"'"


def scene(**changed):
    schema = DatasetSchema.model_validate({
        "name": "shop", "title": "A shop", "interactions": {"click": {}}, "generated": [f"Users {EVIL}"],
    })  # fmt: skip
    red = Item(ItemId("1"), f"Red {EVIL}", "", data_uri(picture((250, 0, 0))))
    bare, broken = Item(ItemId("2")), Item(ItemId("3"), "Broken", "", "data:image/png;base64,AAAA")
    given = {
        "schema": schema, "items": 1200, "users": 900, "events": 10_000, "texts": 600, "pictures": 1200,
        "calibration": Calibration((Bin(2.0, 2.5, 0.25, 40), Bin(4.0, 4.0, 0.5, 40)), 0.9, 1.0, 5.0),
        "examples": [Example("ann", 7, (bare,), (red, broken), red, 1)],
    }  # fmt: skip
    return Scene(**{**given, **changed})


class Tags(HTMLParser):
    """Names of the elements that are open, and attributes of all."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def drawn(report_, scene_=None):
    return page(report_, scene_ or scene(), datetime(2026, 11, 20))


@pytest.fixture(scope="module")
def html():
    return drawn(report())


def test_every_element_is_closed_and_nothing_comes_from_elsewhere(html):
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "link", "iframe", "object"}
    for _, attributes in tags.seen:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "data:image/jpeg;").startswith("data:image/jpeg;")
    assert "://" not in html
    assert "url(" not in html


def test_charts_are_sound_xml(html):
    charts_drawn = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(charts_drawn) > 3
    for one in charts_drawn:
        assert ElementTree.fromstring(one).attrib["aria-label"]
        assert "nan" not in one.lower()


def test_what_comes_from_the_data_is_escaped(html):
    assert EVIL not in html
    assert "Users &lt;script&gt;" in html
    assert "Red &lt;script&gt;" in html


def test_it_says_what_was_measured_for_whom(html):
    assert "Shown ten things, 25 in 100 people" in html
    assert "1,234 people were asked about" in html
    assert "made up" in html
    assert "+5.1%" in html
    assert "−1.0%" in html
    assert "expected text vectors, found none" in html
    assert "stands in place 1" in html
    assert html.count("<b>taken</b>") == 1
    assert "20 November 2026" in html


def test_a_page_of_ratings_alone_or_of_nothing_much(html):
    found = report()
    del found["protocols"]["next_item"]
    alone = drawn(found, scene(calibration=None, examples=()))
    assert "Predicted ratings" in alone
    assert "Shown ten things" not in alone
    found["protocols"].clear()
    assert "What it looks like" not in drawn(found, scene(calibration=None, examples=()))


def test_over_seeds_the_spread_takes_the_place_of_intervals():
    together = over_seeds([report("v1", 0.125), report("v2", 0.175)], [0, 1])
    (section,) = sections(together)
    ours = section.rows[0].cells[0]
    assert (ours.low, ours.high) == (0.125, 0.175)
    assert ours.value == pytest.approx(0.15)
    assert ours.deviation == pytest.approx(0.05 / 2**0.5)
    html = drawn(together)
    assert "trained 2 times" in html
    assert "±0.035" in html


def test_methods_stand_in_order_and_folds_by_their_mean():
    (section,) = sections(report())
    assert [row.name for row in section.rows] == ["This recommender", "Most popular"]
    assert section.rows[0].cells[0].low == 0.1
    found = ratings(report())
    assert [row.name for row in found.rows] == ["This recommender", "Best rated"]
    assert [cell.value for cell in found.rows[0].cells] == [0.9, 1.0, 0.95]
    (slices,) = section.slices.values()
    assert (slices[0].name, slices[0].users) == ("cold: fewer than five events", 7)


def test_the_next_thing_is_told_of_first_whatever_was_measured_first():
    found = report()
    told = found["protocols"]["next_item"]
    found["protocols"] = {"odd": told, "cold_item": told, **found["protocols"]}
    assert [section.told.title for section in sections(found)] == [
        "The next thing that people take", "New things, compared with each other", "Odd",
    ]  # fmt: skip


def test_every_method_protocol_and_source_has_words_of_its_own():
    from serving.sources.shares import NAMES
    from training.baselines.registry import BASELINES
    from training.protocols.registry import PROTOCOLS

    assert set(BASELINES) <= set(words.METHODS)
    assert len(set(words.METHODS.values())) == len(words.METHODS)
    assert set(NAMES) <= set(words.SOURCES)
    assert set(PROTOCOLS) - {"rating"} <= set(words.PROTOCOLS)


def test_what_a_ranker_reads_is_told_in_words():
    from towers.tabular import feed_names

    names = feed_names(2, 1)
    assert len({words.feature(name) for name in names}) == len(names)
    assert set(words.FEATURES) == {name for name in names if not name.endswith(("_0", "_1"))}
    found = report()
    shares = dict.fromkeys(names, 0.0) | {"cluster_1": 0.375}
    card = {"kind": "catboost", "features": names, "importances": shares, "alone": dict.fromkeys(names, 0.5)}
    found["details"]["next_item"]["stages"] = {**found["details"]["next_item"]["stages"], "reads": card}
    (section,) = sections(found)
    assert section.features[0] == Feature("distance from cluster 2 of texts", 0.375, 0.5)
    assert "<td>37.5%</td>" in drawn(found)


def test_sources_stand_below_what_they_make_together():
    found = report()
    stages = dict(found["details"]["next_item"]["stages"])
    stages["sources"] = {
        "popular": {"ndcg@10": 0.05},
        "two_tower": {"ndcg@10": 0.1},
        "odd": {"ndcg@10": 0.01},
    }
    stages["pool_ndcg@10"] = {"50": 0.11, "500": 0.125}
    found["details"]["next_item"]["stages"] = stages
    (section,) = sections(found)
    labels = [bar.measured.label for bar in section.stages.sources.bars]
    assert labels == ["All of them, ranked", "Near in the towers' space", "Popular", "odd"]
    assert section.stages.sources.bars[0].measured.value == 0.125
    assert "Near in the towers&#39; space" in drawn(found)


def test_the_headline_compares_with_what_knows_nobody_and_with_the_best():
    methods = {
        "pipeline": {"ndcg@10": 0.12, "hit_rate@10": 0.25}, "retrieval": {"ndcg@10": 0.2, "hit_rate@10": 0.3},
        "most_popular": {"ndcg@10": 0.05, "hit_rate@10": 0.085}, "ease": {"ndcg@10": 0.1, "hit_rate@10": 0.2},
    }  # fmt: skip
    assert headline(methods) == (
        "Shown ten things, 25 in 100 people find what they were about to take; of the list “most popular” it would "
        "be 8.5. The best of 2 other methods, EASE, has NDCG@10 0.100; this one has 0.120 (+20%)."
    )
    assert headline({}) == ""


def test_bars_begin_at_nought_and_share_a_scale():
    found = charts.bars([charts.Measured("a", 0.2, 0.1, 0.4), charts.Measured("b", 0.0)])
    longest = charts.WIDTH - charts.LABELS - charts.VALUES
    assert [bar.length for bar in found.bars] == [pytest.approx(longest / 2), 0.0]
    assert found.bars[0].high == pytest.approx(charts.LABELS + longest)
    assert found.bars[0].low == pytest.approx(charts.LABELS + longest / 4)
    assert found.height == 2 * charts.ROW
    assert charts.bars([charts.Measured("a", 0.2)], 0.8).bars[0].length == pytest.approx(longest / 4)


def test_points_stand_where_their_numbers_are():
    left, right = charts.across(0), charts.across(1)
    assert charts.MARGIN < left < charts.WIDTH / 2 < right < charts.WIDTH - charts.MARGIN
    floor, ceiling = charts.PLOT_HEIGHT - charts.MARGIN, charts.MARGIN
    curve = charts.bandwidth([(10, 0.0), (100, 0.5), (1000, 1.0)])
    assert [(point.x, point.y) for point in curve.points] == [
        (left, floor), (pytest.approx((left + right) / 2), (floor + ceiling) / 2), (right, ceiling),
    ]  # fmt: skip
    line = charts.calibrated(Calibration((Bin(1.0, 1.0, 0.0, 9), Bin(5.0, 3.0, 1.0, 9)), 1.0, 1.0, 5.0))
    first, last = line.points
    assert (first.x, first.y) == (left, floor)
    assert (last.x, last.y) == (right, (floor + ceiling) / 2)
    assert last.low - last.high == pytest.approx((floor - ceiling) / 2)


def test_thumbnails_are_small_and_missing_ones_are_none():
    big = io.BytesIO()
    Image.new("RGBA", (900, 300), (0, 0, 255, 128)).save(big, "PNG")
    uri = thumbnail(Item(ItemId("1"), "", "", data_uri(big.getvalue())))
    from embeddings.content import image_bytes

    with Image.open(io.BytesIO(image_bytes(uri))) as small:
        assert small.size == (SIDE[0], SIDE[0] // 3)
    assert thumbnail(Item(ItemId("1"))) is None
    assert thumbnail(Item(ItemId("1"), image="/nowhere.jpg")) is None
