"""Nobody is shut out: axe finds nothing serious, in any colours, in any state of the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import CARD, Opener

if TYPE_CHECKING:
    from playwright.sync_api import Page

Step = Callable[["Page"], object]


def opened(page: Page) -> None:
    page.locator(f"{CARD} .card-main").first.click()
    page.wait_for_selector(".similar .card:not(.skeleton)")
    page.wait_for_selector(".because")


def searched(page: Page) -> None:
    page.get_by_label("Search", exact=True).fill("rocket")
    page.get_by_role("heading", name="Found for").wait_for()


def dismissed(page: Page) -> None:
    page.locator(f"{CARD} .dismiss").first.click(force=True)
    page.get_by_role("button", name="Undo").wait_for()


STATES: dict[str, tuple[Step, str | None]] = {
    "as it opens": (lambda page: page.wait_for_selector(".row .card:not(.skeleton)"), None),
    "an item": (opened, "dialog"),
    "a notice": (dismissed, ".toasts"),
    "users": (lambda page: page.get_by_role("button", name="You look as").click(), "dialog"),
    "a new item": (lambda page: page.get_by_role("button", name="Add an item").click(), "dialog"),
    "what is found": (searched, "#list"),
}
"""How to come to each, and where to look; Escape leaves it."""


def findings(page: Page, within: str | None = None) -> list[str]:
    """What axe says is serious or critical, on the page or in a part of it."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="install the extra `dev` for axe"
    )
    found = axe.Axe().run(page, within).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for one in found if one["impact"] in ("serious", "critical") for node in one["nodes"]
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_storefront(visit: Opener, scheme: str) -> None:
    page = visit("/?user=u1", scheme=scheme)
    for name, (step, within) in STATES.items():
        step(page)
        assert findings(page, within) == [], name
        page.keyboard.press("Escape")
