"""A real browser before a real server: a small shop in memory, answered by uvicorn in a thread."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serving.app import create_app
from serving.http.connection import WholeAnswers
from serving.settings import Settings
from tests.patience import PATIENCE, eventually
from tests.serving.sensing import Shop, sensing_bundle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

__all__ = ["sensing_bundle"]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
CARD = ".list .card:not(.skeleton)"
KEY = "the key of these tests"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, as Debian has it. Not for the session: while it is driven, a loop runs in the thread of the tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="install the extra `dev` for playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(
            f"no browser: none of {', '.join(names)} is on the path; apt-get install chromium brings one"
        )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def listening(shop: Shop, **more: Any) -> Iterator[str]:
    """The address of a server of the shop that is ready."""
    import uvicorn

    settings = Settings(**{"bundle": shop.bundle, "user_seconds": 0, **more})
    app = create_app(settings, store=shop.records.live(), embeddings=shop.vectors)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http=WholeAnswers, ws="none", log_level="warning", access_log=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: not thread.is_alive() or (server.started and app.state.service.online is not None))
        assert thread.is_alive(), "the server ended while it started"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture(scope="package")
def shop(sensing_bundle: Path) -> Shop:
    """All tests share it; each looks as somebody else."""
    return Shop(sensing_bundle)


@pytest.fixture(scope="package")
def address(browser: Browser, shop: Shop) -> Iterator[str]:
    with listening(shop) as address:
        yield address


Opener = Callable[..., "Page"]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Opener]:
    """Opens pages; a page that throws, or loads what its policy forbids, fails the test."""
    contexts, complaints = [], []

    def open_page(
        path: str = "/?user=u0", *, width: int = 1280, height: int = 900, scheme: str = "light", wait: str = CARD,
        motion: str = "reduce", before: Callable[[Page], None] | None = None,
    ) -> Page:  # fmt: skip
        context = browser.new_context(
            base_url=address, viewport={"width": width, "height": height}, color_scheme=scheme,
            reduced_motion=motion, has_touch=width < 500,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Policy" in said.text else None)
        if before:
            before(page)
        page.goto(path)
        if wait:
            page.wait_for_selector(wait)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder that SCREENSHOTS names, else a temporary one."""
    folder = os.environ.get("SCREENSHOTS")
    path = Path(folder) if folder else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path


def listed(page: Page) -> list[str]:
    """Ids of the main list, as shown."""
    return page.eval_on_selector_all(CARD, "cards => cards.map(card => card.dataset.card)")  # type: ignore[no-any-return]


def problem(route: Route, status: int, detail: str) -> None:
    """Answer a request as the service does when something is wrong."""
    route.fulfill(
        status=status, content_type="application/problem+json", headers={"retry-after": "1"},
        json={"title": "", "status": status, "detail": detail, "errors": []},
    )  # fmt: skip
