"""How soon a page shows its data and how much of it moves, as the browser itself measures both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

WATCH = """
    window.moved = 0;
    new PerformanceObserver(list => {
        for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.moved += shift.value;
    }).observe({type: 'layout-shift', buffered: true});
    new MutationObserver((_, self) => {
        if (!document.querySelector(%s)) return;
        self.disconnect();
        requestAnimationFrame(() => setTimeout(() => (window.painted = performance.now())));
    }).observe(document, {childList: true, subtree: true});
"""
IN_SIGHT = """[...document.images].filter(image => {
    const {top, left} = image.getBoundingClientRect();
    return top < innerHeight && left < innerWidth && image.checkVisibility();
})"""
PICTURES = f"() => {IN_SIGHT}.every(image => image.complete && image.naturalWidth > 0)"
"""Whether every picture that can be seen is there."""


@dataclass(frozen=True, slots=True)
class Painted:
    """A page that has opened."""

    milliseconds: float
    """From the navigation to the first frame with data."""
    moved: float
    """Cumulative layout shift: share of the window that moved, times how far (web.dev/articles/cls)."""


def watch(selector: str) -> Callable[[Page], None]:
    """What to do with a page before it is opened; what is selected is its data."""
    return lambda page: page.add_init_script(WATCH % repr(selector))


def painted(page: Page) -> Painted:
    """Wait for data and for the pictures in the window, and tell what was measured."""
    page.wait_for_function("() => window.painted")
    page.wait_for_function(PICTURES)
    page.wait_for_load_state("networkidle")
    return Painted(page.evaluate("window.painted"), page.evaluate("window.moved"))
