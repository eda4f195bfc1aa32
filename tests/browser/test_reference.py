"""The reference of HTTP routes: it tells of all, and can ask them."""

from __future__ import annotations

import json

from tests.browser.conftest import Opener
from tests.browser.test_accessible import findings

OPERATION = "details.route"


def test_every_route_is_told_of_and_can_be_asked(visit: Opener, address: str) -> None:
    page = visit("/docs", wait=OPERATION)
    paths = page.request.get(f"{address}/openapi.json").json()["paths"]
    assert page.locator(OPERATION).count() == sum(len(methods) for methods in paths.values())
    route = page.locator(OPERATION, has_text="Rank given items for a user").first
    route.locator("summary").first.click()
    route.get_by_text("candidates").first.wait_for()
    route.get_by_label("body").fill(json.dumps({"user_id": "u0", "candidates": ["i1", "i4"]}))
    route.get_by_role("button", name="Ask").click()
    told = route.locator(".told")
    told.wait_for()
    assert told.locator("b").inner_text() == "200"
    assert [one["item_id"] for one in json.loads(told.locator("pre").inner_text())["items"]] == ["i4", "i1"]
    similar = page.locator(OPERATION, has_text="What is like an item").first
    similar.locator("summary").first.click()
    similar.get_by_label("item_id").fill("no such item")
    similar.get_by_role("button", name="Ask").click()
    similar.locator(".told", has_text="404").wait_for()
    assert findings(page) == []


def test_it_fits_a_phone_in_the_dark(visit: Opener) -> None:
    page = visit("/docs", wait=OPERATION, width=375, scheme="dark")
    page.locator(f"{OPERATION} > summary").nth(8).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert findings(page) == []
