"""The storefront, used as people use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import CARD, KEY, Opener, listed, listening, problem
from tests.browser.painting import painted, watch
from tests.bundle import senses
from tests.patience import eventually
from tests.serving.sensing import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Page

IDS = "[...document.querySelectorAll('.list [data-card]')].map(card => card.dataset.card)"


def themes(page: Page, count: int = 4) -> set[str]:
    """What the first items of the list are about."""
    return {senses.theme(int(one[1:])) for one in listed(page)[:count]}


def events(shop: Shop, user: str) -> list[tuple[str, str, float | None]]:
    """What a user has done, oldest first."""
    rows = [row for row in list(shop.records.tables.events.values()) if row["u"] == user]
    return [(row["i"], row["t"], row.get("v")) for row in sorted(rows, key=lambda row: (row["s"], row["n"]))]


def test_a_list_is_painted_within_a_second_and_nothing_moves_after(visit: Opener) -> None:
    """A second of a machine on which an empty page takes a twentieth of one."""

    def nothing(page: Page) -> None:
        page.route("**/empty", lambda route: route.fulfill(content_type="text/html", body="<main>-</main>"))
        watch("main")(page)

    took = []
    for _ in range(5):
        found = painted(visit(before=watch(CARD)))
        assert found.moved < 0.02
        empty = painted(visit("/empty", wait="main", before=nothing))
        took.append((found.milliseconds, empty.milliseconds))
        if found.milliseconds <= max(1000, 20 * empty.milliseconds):
            return
    raise AssertionError(took)


def test_a_card_says_what_it_is_and_why_it_is_there(visit: Opener, shop: Shop) -> None:
    page = visit()
    first = page.locator(CARD).first
    row = int(listed(page)[0][1:])
    assert senses.theme(row) == "space"  # all that u0 has clicked on
    assert first.locator(".card-title").inner_text() == senses.item(row).title
    assert first.locator(".why-line").inner_text().startswith("like The ")
    assert "behaviour" in (first.locator(".shares").get_attribute("aria-label") or "")
    assert float(first.locator(".score").inner_text().removeprefix("score")) > 0
    assert first.locator(".source").inner_text() == "two towers"
    picture = first.locator("img")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 24


def test_a_like_is_recorded_and_changes_the_list_at_once(visit: Opener, shop: Shop) -> None:
    page = visit("/?user=liker")
    before = listed(page)
    assert page.locator(".past-none").is_visible()
    liked = before[3]
    page.locator(f"{CARD}[data-card={liked}]").hover()
    page.get_by_role("button", name=f"Like {senses.item(int(liked[1:])).title}").first.click()
    page.wait_for_function(
        "old => document.querySelector('.list [data-card]').dataset.card !== old && "
        "document.querySelectorAll('.past-item').length === 1", arg=before[0],
    )  # fmt: skip
    after = listed(page)
    assert liked not in after
    theme = senses.theme(int(liked[1:]))
    assert [senses.theme(int(one[1:])) for one in after[:3]] == [theme] * 3
    assert [senses.theme(int(one[1:])) for one in before[:3]] != [theme] * 3
    assert events(shop, "liker") == [(liked, "rating", 5.0)]
    page.locator("[role=status]", has_text="The list has changed").wait_for(state="attached")


def test_a_dismissal_hides_at_once_can_be_undone_and_is_told_when_it_no_longer_can(
    visit: Opener, shop: Shop
) -> None:
    # What can be undone for six seconds can be for six minutes, so that it does not end between two clicks.
    slowly = """const before = setTimeout;
        window.setTimeout = (then, after, ...with_) => before(then, after >= 5000 ? 60 * after : after, ...with_);"""
    page = visit("/?user=picky", before=lambda page: page.add_init_script(slowly))
    first, second, *_ = listed(page)
    for gone in (first, second):
        page.locator(f"{CARD}[data-card={gone}]").hover()
        page.locator(f"{CARD}[data-card={gone}] .dismiss").click()
        eventually(lambda gone=gone: gone not in listed(page))  # type: ignore[misc]
    page.get_by_role("button", name="Undo").last.click()
    page.wait_for_selector(f"{CARD}[data-card={second}]")
    assert events(shop, "picky") == []
    page.goto("/?user=somebody-else")  # whoever leaves cannot undo
    eventually(lambda: events(shop, "picky") == [(first, "rating", 1.0)])


def test_weights_of_ones_own_order_the_list_by_likeness(visit: Opener) -> None:
    page = visit()
    assert page.locator(f"{CARD} .source").first.inner_text() == "two towers"
    page.get_by_role("slider", name="behaviour").fill("0")
    page.get_by_role("slider", name="picture").fill("0")
    page.locator(f"{CARD} .source", has_text="by likeness").first.wait_for()
    assert page.get_by_label("My own mix").is_checked()
    by_text = listed(page)
    page.get_by_role("slider", name="Variety").fill("1")
    page.wait_for_function(f"old => ({IDS}).join() !== old", arg=",".join(by_text))
    eventually(lambda: len(themes(page)) > 1)


def test_words_and_pictures_find(visit: Opener) -> None:
    page = visit("/?user=looker")  # whose taste, unknown, moves nothing
    page.keyboard.press("/")
    page.keyboard.type("garlic soup")
    page.get_by_role("heading", name="Found for").wait_for()
    eventually(lambda: themes(page, 1) == {"cooking"})
    green = {"name": "x.png", "mimeType": "image/png", "buffer": senses.picture(senses.THEMES["football"][1])}
    page.get_by_label("Picture to search by").set_input_files(green)
    page.get_by_role("heading", name="What looks like your picture").wait_for()
    page.locator(".source", has_text="by picture").first.wait_for()
    eventually(lambda: themes(page) == {"football"})
    page.get_by_role("button", name="Clear the search").click()
    page.get_by_role("heading", name="Recommended").wait_for()


def test_a_search_that_finds_nothing_says_so_and_shows_something_else(visit: Opener) -> None:
    """The search itself is told to find nothing: by meaning, something is always near."""
    page = visit("/?user=looker")

    def nothing(route) -> None:  # type: ignore[no-untyped-def]
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"fallback_reason": "no_search_matches"})

    page.route("**/v1/search?*", nothing)
    page.get_by_label("Search", exact=True).fill("xyzzy")
    page.get_by_role("heading", name="Trending instead").wait_for()
    page.get_by_text("Nothing matches “xyzzy”").wait_for()


def test_a_picture_that_is_dropped_anywhere_is_searched_by(visit: Opener) -> None:
    page = visit("/?user=looker")
    data = senses.data_uri(senses.picture(senses.THEMES["horror"][1]))
    page.evaluate(
        """async data => {
            const carried = new DataTransfer();
            const bytes = Uint8Array.from(atob(data.split(',')[1]), letter => letter.charCodeAt(0));
            carried.items.add(new File([bytes], 'x.png', {type: 'image/png'}));
            for (const type of ['dragover', 'drop'])
                document.querySelector('.hero').dispatchEvent(
                    new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: carried}));
        }""",
        data,
    )
    page.locator(".source", has_text="by picture").first.wait_for()
    eventually(lambda: themes(page) == {"horror"})


@pytest.mark.parametrize(("motion", "moving"), [("no-preference", True), ("reduce", False)])
def test_cards_glide_unless_somebody_wants_stillness(visit: Opener, motion: str, moving: bool) -> None:
    page = visit(f"/?user=mover-{moving}", motion=motion)
    page.evaluate("""() => {
        const move = Element.prototype.animate;
        window.moves = 0;
        Element.prototype.animate = function (...how) { window.moves += 1; return move.apply(this, how); };
    }""")
    first = listed(page)[0]
    page.locator(CARD).first.hover()
    page.locator(f"{CARD} .dismiss").first.click()
    page.wait_for_function(f"first => ({IDS})[0] !== first", arg=first)
    assert (page.evaluate("window.moves") > 0) == moving


def test_an_item_that_is_added_turns_up(visit: Opener) -> None:
    page = visit("/?user=u1")
    page.get_by_role("button", name="Add an item").click()
    page.get_by_label("Title").fill("Zanzibar chowder")
    page.get_by_label("Description").fill("A soup of garlic and butter, with bread from the oven.")
    page.get_by_role("dialog").get_by_label("theme").fill("cooking")
    page.get_by_label("Picture of the item").set_input_files(
        {"name": "x.png", "mimeType": "image/png", "buffer": senses.picture((230, 160, 40), 100)}
    )
    page.get_by_role("button", name="Add it").click()
    assert int(page.locator(".placed-rank strong").inner_text()) <= 12  # of the twelve cooking ones at most
    page.get_by_role("button", name="See what is like it").click()
    page.locator(".similar .card:not(.skeleton)").first.wait_for()
    near = page.eval_on_selector_all(".similar [data-card]", "all => all.map(one => one.dataset.card)")
    assert senses.theme(int(near[0][1:])) == "cooking"
    assert (
        page.locator(".detail-head img").evaluate("image => image.decode().then(() => image.naturalWidth)")
        == 24
    )
    page.keyboard.press("Escape")
    page.get_by_label("Search", exact=True).fill("Zanzibar chowder")
    page.locator(f"{CARD} .card-title", has_text="Zanzibar chowder").wait_for()
    page.locator(f"{CARD}:first-child .source", has_text="by name").wait_for()


def test_what_is_wrong_with_an_item_is_said_beside_its_field(visit: Opener) -> None:
    page = visit()
    page.get_by_role("button", name="Add an item").click()
    page.get_by_label("Title").fill("A text that calls itself a picture")
    broken = {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.get_by_label("Picture of the item").set_input_files(broken)
    page.get_by_role("button", name="Add it").click()
    page.locator(".picture-field .wrong", has_text="expected a picture that can be read").wait_for()


def test_somebody_is_found_or_made(visit: Opener) -> None:
    page = visit()
    page.get_by_role("button", name="You look as u0").click()
    page.get_by_label("Find a user").fill("2")
    page.get_by_label("Users").get_by_role("button").nth(0).filter(has_text="u2").click()
    page.get_by_role("heading", name="Picked for u2").wait_for()
    assert "user=u2" in page.url
    page.get_by_role("button", name="You look as u2").click()
    page.get_by_role("button", name="Make a new user").click()
    page.get_by_role("textbox", name="Id").fill("ann")
    page.get_by_label("age").fill("31")
    page.get_by_role("button", name="Make and look as them").click()
    page.get_by_role("heading", name="Picked for ann").wait_for()
    page.locator(".hero-facts", has_text="31").wait_for()
    page.wait_for_selector(CARD)


def test_where_users_are_not_listed_an_id_is_typed(visit: Opener, shop: Shop) -> None:
    with listening(shop, admin_key=KEY) as guarded:
        page = visit(guarded)
        page.get_by_role("heading", name="Picked for guest").wait_for()
        page.get_by_role("button", name="You look as guest").click()
        page.get_by_text("Who the users are is told to administrators only. Type an id").wait_for()
        assert page.locator(".people button").count() == 0
        page.get_by_label("User id").fill("u2")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Picked for u2").wait_for()
        page.wait_for_selector(".past-item, .past-none")


def test_whoever_gave_the_key_in_the_control_room_chooses_from_a_list(visit: Opener, shop: Shop) -> None:
    with listening(shop, admin_key=KEY) as guarded:
        page = visit(guarded)
        page.get_by_role("button", name="You look as guest").click()
        page.get_by_role("dialog").get_by_role("link", name="control room").click()
        page.get_by_label("Admin key").fill(KEY)
        page.get_by_role("button", name="Enter").click()
        page.get_by_role("heading", name="Overview").wait_for()
        page.get_by_role("link", name="Storefront").click()
        page.get_by_role("button", name="You look as guest").click()
        page.get_by_label("Find a user").fill("3")
        page.get_by_role("button", name="u3").click()
        page.get_by_role("heading", name="Picked for u3").wait_for()
        page.wait_for_selector(".past-item, .past-none")


def test_everything_can_be_done_by_keyboard(visit: Opener, shop: Shop) -> None:
    page = visit("/?user=typist")
    focus = "document.activeElement.closest('[data-card]')?.dataset.card"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the list"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "how it was made"
    page.keyboard.press("Tab")
    ids = listed(page)
    assert page.evaluate(focus) == ids[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('.cards.grid')).gridTemplateColumns.split(' ').length"
    )
    eventually(lambda: page.evaluate(focus) == ids[1 + columns])
    page.keyboard.press("Home")
    page.keyboard.press("x")
    page.wait_for_function(f"() => {focus} === '{ids[1]}'")  # the next one has its place, and the focus
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name=senses.item(int(ids[1][1:])).title).wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    page.keyboard.press("Escape")
    # It has been looked at, so it leaves the list; whatever takes its place has the focus.
    page.wait_for_function(f"() => {focus} && {focus} !== '{ids[1]}'")
    assert (ids[1], "click", None) in events(shop, "typist")
    at = page.evaluate(focus)
    eventually(lambda: listed(page)[0] == at)
    page.keyboard.press("l")
    eventually(lambda: (at, "rating", 5.0) in events(shop, "typist"))


def test_rows_below_the_list_show_what_sources_have(visit: Opener) -> None:
    page = visit()
    popular = page.get_by_role("list", name="Popular")
    popular.locator(".card:not(.skeleton)").first.wait_for()
    # i0, the most popular, was clicked on by u0.
    assert popular.locator("[data-card]").first.get_attribute("data-card") == "i1"


def test_a_service_that_is_not_ready_is_asked_again(visit: Opener) -> None:
    times = []

    def refuse_once(route) -> None:  # type: ignore[no-untyped-def]
        times.append(1)
        if len(times) > 1:
            route.continue_()
        else:
            problem(route, 503, "the model is being opened")

    page = visit(wait=".trouble", before=lambda page: page.route("**/v1/dataset", refuse_once))
    assert "the model is being opened" in page.locator(".trouble").inner_text()
    page.wait_for_selector(CARD)  # by itself, after the second that the answer named


def test_a_history_that_cannot_be_read_is_not_told_to_be_empty(visit: Opener) -> None:
    def refuse(page) -> None:  # type: ignore[no-untyped-def]
        page.route("**/interactions?*", lambda route: problem(route, 503, "MongoDB does not answer"))

    page = visit(before=refuse)
    page.locator(".hero-past", has_text="MongoDB does not answer").wait_for()


def test_an_answer_without_a_part_of_the_service_says_so(visit: Opener) -> None:
    def worse(route) -> None:  # type: ignore[no-untyped-def]
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"degraded": True, "degraded_reason": ["store"]})

    page = visit(before=lambda page: page.route("**/recommendations?*", worse))
    page.locator(".degraded", has_text="without store").wait_for()


def test_a_failure_is_told_in_the_words_of_the_service(visit: Opener) -> None:
    page = visit(
        wait=".trouble",
        before=lambda page: page.route("**/recommendations?*", lambda route: problem(route, 500, "oh")),
    )
    assert "oh" in page.locator(".trouble").inner_text()
    page.unroute("**/recommendations?*")
    page.get_by_role("button", name="Try now").click()
    page.wait_for_selector(CARD)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (375, 812)])
def test_it_fits_and_is_kept_as_a_picture(
    visit: Opener, gallery: Path, scheme: str, width: int, height: int
) -> None:
    page = visit(width=width, height=height, scheme=scheme)
    page.wait_for_function(
        "() => [...document.images].filter(i => i.loading === 'eager').every(i => i.complete)"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.screenshot(path=gallery / f"storefront-{width}-{scheme}.png")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Use dark colours" if scheme == "light" else "Use light colours").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
