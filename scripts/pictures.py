"""The pictures of the pages in docs/img, taken of a service that answers from the generated catalogue.

    towerbridge demo                                    # generates it, trains, and serves
    python scripts/pictures.py http://127.0.0.1:8000    # while that runs; writes storefront.png and control-room.png

It needs the extra `dev`, and Chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "img"
WIDTH, HEIGHT = 1440, 900
COLOURS = 256
"""A palette of so many takes a quarter of the bytes, and looks the same."""
ASKED = 100
"""Users whose lists are asked for first, so that there is something to tell."""
LOOK_SECONDS = 3
CROWDS = (4, 16, 9, 30, 22, 12)
"""How many lists are asked for between two looks, so that the line of requests is one."""


def take(address: str) -> None:
    """Both pictures, of the service at an address."""
    from playwright.sync_api import sync_playwright

    users = httpx.get(f"{address}/v1/users?limit={ASKED}").raise_for_status().json()["users"]
    ask(address, users)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(
            base_url=address, viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce"
        )
        page.goto(f"/?user={users[0]}")
        page.wait_for_selector(".list .card .there")
        keep(page, "storefront")
        page.goto("/admin#overview")
        for crowd in CROWDS:
            ask(address, users[:crowd])
            page.wait_for_timeout(LOOK_SECONDS * 1000)
        keep(page, "control-room")
        browser.close()


def ask(address: str, users: list[str]) -> None:
    """The lists of some users, as a page asks for them."""
    with httpx.Client(base_url=address) as client:
        for user in users:
            client.get(f"/v1/users/{user}/recommendations?limit=24&explain=true").raise_for_status()


def keep(page: Page, name: str) -> None:
    """A picture of the window as it is, in few bytes."""
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    take(sys.argv[1])
