"""The control room: who gets in, and what can be done there to the model that answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from bundle import versions
from tests.browser.conftest import KEY, listening
from tests.browser.test_accessible import findings
from tests.bundle import senses
from tests.patience import PATIENCE
from tests.serving.sensing import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

A, B = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb"
Entrance = Callable[..., "Page"]


@pytest.fixture(scope="module")
def room(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with two versions, the earlier of which answers."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "bundles" / "shop"
    for version in (A, B):
        senses.make_sensing_bundle(folder, version)
    versions.promote(folder, A)
    run = home / "runs" / "shop" / "20260101-000000"
    run.mkdir(parents=True)
    summary = {"metrics": {"validation": {"ndcg@10": 0.3}}, "training": {"notes": ["Few events."]}}
    (run / "run.json").write_text(json.dumps(summary))
    steps = [{"epoch": i + 1, "loss": 8.0 - 3 * i, "validation": 0.1 * (i + 1)} for i in range(3)]
    (run / "curves.json").write_text(json.dumps({"towers": steps}))
    with listening(Shop(folder / A), home=home, dataset="shop", bundle=None, admin_key=KEY) as address:
        yield address


@pytest.fixture
def enter(browser: Browser, room: str) -> Iterator[Entrance]:
    """Opens the room with the key in hand."""
    contexts = []

    def open_room(page_name: str, *, width: int = 1440, scheme: str = "light") -> Page:
        context = browser.new_context(
            base_url=room,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.add_init_script(f"sessionStorage.setItem('towerbridge.admin-key', {KEY!r})")
        page.goto(f"/admin#{page_name}")
        return page

    yield open_room
    for context in contexts:
        context.close()


def test_only_the_key_opens_it_and_the_tab_alone_keeps_it(browser: Browser, room: str) -> None:
    context = browser.new_context(base_url=room)
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto("/admin")
    page.get_by_label("Admin key").fill("a guess")
    page.get_by_role("button", name="Enter").click()
    page.get_by_text("That key does not open it.").wait_for()
    page.get_by_label("Admin key").fill(KEY)
    page.get_by_role("button", name="Enter").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.reload()
    page.get_by_role("heading", name="Overview").wait_for()
    assert page.evaluate("JSON.stringify(localStorage)").count(KEY) == 0
    assert KEY not in page.url
    page.get_by_role("button", name="Leave").click()
    page.get_by_label("Admin key").wait_for()
    context.close()


def test_versions_stand_side_by_side_and_another_is_promoted_and_taken_back(
    enter: Entrance, room: str
) -> None:
    def answering() -> str:
        version: str = httpx.get(f"{room}/health/ready", timeout=PATIENCE).json()["model_version"]
        return version

    page = enter("models")
    column = page.locator("thead th")
    column.nth(1).wait_for()
    assert [text.split("\n")[0] for text in column.all_inner_texts()] == ["answering", "candidate"]
    page.get_by_role("button", name="Promote").click()
    page.get_by_role("button", name="Leave it").click()
    assert answering() == A  # asked, and left
    page.get_by_role("button", name="Promote").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    page.get_by_text(f"{B} answers now").wait_for()
    assert answering() == B
    page.locator("th.serving", has_text=B).wait_for()
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    page.get_by_text(f"{A} answers now").wait_for()
    assert answering() == A


def test_the_overview_tells_of_what_was_asked(enter: Entrance, room: str) -> None:
    for _ in range(20):
        assert httpx.get(f"{room}/v1/users/u0/recommendations?limit=3", timeout=PATIENCE).status_code == 200
    page = enter("overview")
    route = page.locator("tr", has_text="GET /v1/users/{user_id")
    route.first.wait_for()
    assert int(route.first.locator("td").first.inner_text()) >= 20
    stages = page.locator(".stages tbody th").all_inner_texts()
    assert stages == ["read the user", "user tower", "retrieve", "rank", "arrange"]
    # One of 48 items has no text, one no picture, one is hidden.
    shares = page.locator(".share-row").all_inner_texts()
    assert [row.split("\n")[0] for row in shares if "1 of 48" in row] == [
        "items without a text", "items without a picture", "items that are hidden",
    ]  # fmt: skip


def test_the_map_names_the_item_under_the_pointer_and_shows_its_picture(enter: Entrance, room: str) -> None:
    page = enter("map")
    page.get_by_text("47 of 47 items").wait_for()
    legend = page.get_by_role("list", name="Categories").get_by_role("button").all_inner_texts()
    assert sum(int(one.split("\n")[-1]) for one in legend) == 47
    told = httpx.get(f"{room}/v1/admin/map", headers={"X-Admin-Key": KEY}, timeout=PATIENCE).json()["items"]
    xs, ys = [one["x"] for one in told], [one["y"] for one in told]
    box = page.locator("canvas").bounding_box()
    assert box is not None
    leftmost = min(told, key=lambda one: one["x"])
    high = 20 + (1 - (leftmost["y"] - min(ys)) / (max(ys) - min(ys))) * (box["height"] - 40)
    assert leftmost["x"] == min(xs)
    page.mouse.move(box["x"] + 20, box["y"] + high)
    card = page.locator(".map-card")
    card.wait_for()
    assert card.locator("strong").inner_text() == leftmost["title"]
    assert card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 24


def test_the_map_is_walked_by_keyboard(enter: Entrance) -> None:
    page = enter("map")
    page.get_by_text("47 of 47 items").wait_for()
    page.get_by_label("Find by title").focus()
    for _ in range(1 + page.locator(".map-legend button").count()):
        page.keyboard.press("Tab")
    title = page.locator(".map-card strong")
    middle = title.inner_text()
    ring = page.locator(".map-ring")
    before = ring.bounding_box()
    page.keyboard.press("ArrowRight")
    after = ring.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] > before["x"]
    assert title.inner_text() != middle
    page.keyboard.press("Home")
    assert title.inner_text() == middle
    page.keyboard.press("Escape")
    page.locator(".map-card").wait_for(state="detached")


def test_a_recommendation_is_taken_apart(enter: Entrance, room: str) -> None:
    page = enter("inspect")
    page.get_by_label("User").fill("u0")
    page.get_by_role("button", name="Look").click()
    final = page.locator(".final tbody tr")
    final.first.wait_for()
    answer = httpx.get(f"{room}/v1/users/u0/recommendations?limit=12", timeout=PATIENCE).json()
    assert final.locator(".item-name").all_inner_texts() == [
        one["metadata"]["title"] or one["item_id"] for one in answer["items"]
    ]
    panels = page.locator(".panel")
    assert panels.nth(0).locator("li").count() == 4  # what u0 has clicked on
    assert panels.nth(1).locator(".filtered").count() == 4
    assert panels.nth(2).locator("details[open] li").count() == 6  # of the source with the largest share
    inspected = f"{room}/v1/admin/inspect?user_id=u0&limit=12"
    told = httpx.get(inspected, headers={"X-Admin-Key": KEY}, timeout=PATIENCE).json()
    first = final.first.locator("td").all_inner_texts()
    shares = told["items"][0]["shares"]
    assert [int(one) for one in first[3:7]] == [
        round(100 * shares[part]) for part in ("text", "image", "behaviour", "features")
    ]
    assert [float(one) for one in first[8:]] == pytest.approx(
        [told["items"][0]["similarity"], told["items"][0]["score"]], abs=5e-4
    )
    # 48 items, one of which is hidden and four of which were seen.
    numbers = page.locator(".funnel b").all_inner_texts()
    assert [int(one) for one in numbers] == [48, 43, told["pool"], 12]


def test_a_training_shows_how_it_went(enter: Entrance) -> None:
    page = enter("runs")
    page.get_by_role("heading", name="20260101-000000").wait_for()
    curves = page.locator(".curves svg")
    assert [one.get_attribute("aria-label") for one in curves.all()] == [
        "towers, loss: loss from 8 to 2", "towers, validation: validation from 0.100 to 0.300",
    ]  # fmt: skip
    # Three points, the first in the upper left corner of its picture and the last in the lower right one.
    loss = curves.first.locator(".line").get_attribute("d") or ""
    points = [tuple(map(float, point.split())) for point in loss[1:].split("L")]
    assert len(points) == 3
    assert points == sorted(points)
    assert [y for _, y in points] == sorted(y for _, y in points)
    assert page.locator(".panel table").inner_text().split() == [
        "measured",
        "NDCG@10",
        "validation",
        "0.3000",
    ]
    assert page.get_by_text("Few events.").is_visible()


READY = {
    "overview": ".stages", "models": "thead th", "map": ".map-legend li:nth-child(4)",
    "inspect/u0": ".final tbody tr", "runs": ".curves",
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_control_room(enter: Entrance, gallery: Path, scheme: str) -> None:
    for name, ready in list(READY.items())[: len(READY) if scheme == "light" else 2]:
        page = enter(name, scheme=scheme)
        page.locator(ready).first.wait_for()
        page.screenshot(path=gallery / f"control-room-{name.partition('/')[0]}-{scheme}.png")
        assert findings(page) == [], name


@pytest.mark.parametrize("name", READY)
def test_it_fits_a_phone(enter: Entrance, name: str) -> None:
    page = enter(name, width=375)
    page.locator(READY[name]).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
