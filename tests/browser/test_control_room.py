"""The control room: who gets in, and what can be done there to the model that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from bundle import versions
from tests.browser.conftest import KEY, listening
from tests.browser.test_accessible import findings
from tests.bundle import senses
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
    with listening(Shop(folder / A), home=home, dataset="shop", bundle=None) as address:
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
        page.set_default_timeout(5000)
        page.add_init_script(f"sessionStorage.setItem('towerbridge.admin-key', {KEY!r})")
        page.goto(f"/admin#{page_name}")
        return page

    yield open_room
    for context in contexts:
        context.close()


def test_only_the_key_opens_it_and_the_tab_alone_keeps_it(browser: Browser, room: str) -> None:
    context = browser.new_context(base_url=room)
    page = context.new_page()
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
        version: str = httpx.get(f"{room}/health/ready").json()["model_version"]
        return version

    page = enter("models")
    column = page.locator("thead th")
    column.nth(1).wait_for()
    assert [text.split("\n")[0] for text in column.all_inner_texts()] == ["candidate", "answering"]
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_control_room(enter: Entrance, gallery: Path, scheme: str) -> None:
    page = enter("models", scheme=scheme)
    page.locator("thead th").first.wait_for()
    page.screenshot(path=gallery / f"models-{scheme}.png")
    assert findings(page) == []
