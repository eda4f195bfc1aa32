"""The pages on MovieLens with its posters: every one looked at in all colours and widths, and kept as a picture.

Slow: it imports, encodes and trains first, with encoders that need no weights. Two variables say otherwise:
`MOVIELENS_HOME` names a home that is ready, and is served as it is; `SCREENSHOTS` the folder for the pictures.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from tests.browser.conftest import CARD
from tests.browser.painting import IN_SIGHT, PICTURES, painted, watch
from tests.browser.test_accessible import findings
from tests.patience import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

pytestmark = [
    pytest.mark.slow, pytest.mark.train, pytest.mark.mongo, pytest.mark.realdata, pytest.mark.timeout(1800),
]  # fmt: skip
COMMAND = (sys.executable, "-m", "towerbridge")
ROOT = Path(__file__).parents[2]
WINDOWS = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def movielens(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that some have asked for lists already."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TOWERBRIDGE_DATASET": "movielens-100k"}
    if home := os.environ.get("MOVIELENS_HOME"):
        environment |= {"TOWERBRIDGE_HOME": home}
    else:
        data = Path(os.environ.get("TOWERBRIDGE_DATA", ""))
        if not ((data / "ml-100k").is_dir() and (data / "ml-posters").is_dir()):
            pytest.skip("TOWERBRIDGE_DATA holds no ml-100k, or no ml-posters")
        environment |= {
            "TOWERBRIDGE_HOME": str(tmp_path_factory.mktemp("movielens")),
            "TOWERBRIDGE_ENCODERS_TEXT": "hashing", "TOWERBRIDGE_ENCODERS_IMAGE": "hashing",
            "TOWERBRIDGE_TRAIN_RANKER": "logistic", "TOWERBRIDGE_TRAIN_TRACKING": "false",
        }  # fmt: skip
        for words in (["import"], ["embed"], ["train", "--epochs", "2"], ["build"]):
            made = subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True)
            assert made.returncode == 0, made.stderr
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [*COMMAND, "serve", "--port", str(port)]
    server = subprocess.Popen(
        command, env=environment | {"TOWERBRIDGE_SERVE_IMPRESSIONS": "1"}, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 120
        while not answers(f"{address}/health/ready"):
            assert server.poll() is None, "the server ended while it started"
            assert time.monotonic() < until, "the server was not ready in time"
            time.sleep(0.2)
        with httpx.Client(base_url=address) as client:
            for user in range(1, 101):
                client.get(f"/v1/users/{user}/recommendations?limit=24").raise_for_status()
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


STRANGER = "somebody new"


def bad(said: ConsoleMessage) -> bool:
    """Whether it is an error; that nobody knows a stranger is what the service has to answer."""
    return said.type == "error" and not said.location["url"].endswith(f"/v1/users/{quote(STRANGER)}")


@pytest.fixture
def look(browser: Browser, movielens: str) -> Iterator[Callable[..., Page]]:
    """Opens pages; whatever a page complains of fails the test."""
    contexts, complaints = [], []

    def open_page(
        path: str,
        window: str = "desktop",
        scheme: str = "light",
        before: Callable[[Page], None] | None = None,
    ) -> Page:
        width, height = WINDOWS[window]
        context = browser.new_context(
            base_url=movielens, viewport={"width": width, "height": height}, color_scheme=scheme,
            reduced_motion="reduce", has_touch=window == "phone",
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(f"{said.text} {said.location}") if bad(said) else None
        )
        if before:
            before(page)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def item(page: Page) -> None:
    page.locator(f"{CARD} .card-main").first.click()
    page.wait_for_selector(".similar .card:not(.skeleton)")


def poster(page: Page) -> None:
    """Search by the poster of the first item of the list."""
    first = page.locator(CARD).first
    shown = page.request.get(first.locator("img").get_attribute("src") or "")
    file = {"name": "poster.jpg", "mimeType": shown.headers["content-type"], "buffer": shown.body()}
    wanted = first.get_attribute("data-card")
    page.get_by_label("Picture to search by").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("heading", name="What looks like your picture").wait_for()
    page.locator(f"{CARD}:first-child[data-card='{wanted}'] .source", has_text="by picture").wait_for()


def found(page: Page) -> None:
    assert "Star Wars (1977)" in page.locator(f"{CARD} .card-title").all_inner_texts()


def pointed(page: Page) -> None:
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".map-card img").wait_for()


def twice(page: Page) -> None:
    page.locator(".curves .line").first.wait_for()


@dataclass(frozen=True, slots=True)
class View:
    """A page in a state that is worth looking at."""

    path: str
    ready: str
    step: Callable[[Page], None] = lambda page: None
    pictures: int = 1
    """How many have to be seen, at least."""
    within: str | None = None
    """What alone is judged; behind a dialog everything is inert."""
    whole: bool = False
    """Kept from top to bottom, not as far as the window goes."""


VIEWS = {
    "storefront": View("/?user=1", CARD, pictures=5),
    "storefront-whole": View("/?user=1", ".row .card:not(.skeleton)", pictures=5, whole=True),
    "storefront-item": View("/?user=1", CARD, item, 2, "dialog"),
    "storefront-words": View("/?user=1&q=star+wars", CARD, found, pictures=2),
    # As a stranger, whose taste moves nothing.
    "storefront-picture": View(f"/?user={quote(STRANGER)}", f"{CARD} .there img", poster, pictures=2),
    "storefront-stranger": View(f"/?user={quote(STRANGER)}", CARD, pictures=2),
    "room-overview": View("/admin#overview", ".top-shown img", twice, whole=True),
    "room-models": View("/admin#models", "thead th", pictures=0, whole=True),
    "room-map": View("/admin#map", ".map-legend li:nth-child(4)", pointed),
    "room-inspect": View("/admin#inspect/1", ".final tbody tr", pictures=5, whole=True),
    "room-runs": View("/admin#runs", ".curves", pictures=0, whole=True),
}


def unroll(page: Page) -> None:
    """Pass everything by the window once, so that pictures that wait for it come."""
    page.evaluate("""async () => {
        for (let at = 0; at < document.documentElement.scrollHeight; at += innerHeight / 2) {
            scrollTo(0, at);
            await new Promise(done => setTimeout(done, 120));
        }
        scrollTo(0, 0);
    }""")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", VIEWS)
def test_it_is_there_fits_and_can_be_read(
    look: Callable[..., Page], gallery: Path, name: str, window: str, scheme: str
) -> None:
    view = VIEWS[name]
    page = look(view.path, window, scheme)
    page.locator(view.ready).first.wait_for()
    view.step(page)
    if view.whole:
        unroll(page)
    page.wait_for_function(PICTURES)
    page.wait_for_load_state("networkidle")
    assert page.screenshot(path=gallery / f"movielens-{name}-{window}-{scheme}.png", full_page=view.whole)
    if not view.whole:
        assert page.evaluate(f"{IN_SIGHT}.length") >= view.pictures
    assert page.evaluate("document.documentElement.scrollWidth") <= WINDOWS[window][0]
    assert findings(page, view.within) == []


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("path", "data"), [("/?user=1", CARD), ("/admin#overview", ".tiles")])
def test_data_is_painted_within_a_second_and_stays_where_it_is(
    look: Callable[..., Page], path: str, data: str, window: str
) -> None:
    measured = [painted(look(path, window, before=watch(data))) for _ in range(5)]
    took = [one.milliseconds for one in measured]
    print(f"{path} on a {window}: painted after {median(took):.0f} ms {[round(one) for one in took]}")
    assert max(one.moved for one in measured) < 0.05, measured
    assert median(took) <= 1000, took
