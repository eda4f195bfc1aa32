"""Running sums of what was shown are what a recount finds, and cost what came since the last look."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from math import floor

import pytest

from catalog.errors import StoreError
from catalog.impressions import Impression, MemoryImpressions, Shown
from serving.observe.showings import DAY, PARTS, SETTLED_SECONDS, SPANS, Lately, Showings

T0 = 1_800_000_000.0


class Kept(MemoryImpressions):
    """Counts the lists that it is asked to read, and the questions."""

    def __init__(self) -> None:
        super().__init__()
        self.read = self.asked = 0
        self.fails_at: int | None = None

    async def shown(self, since: float, until: float | None = None) -> Shown:
        self.asked += 1
        if self.asked == self.fails_at:
            raise StoreError("away")
        await asyncio.sleep(0)
        found = await super().shown(since, until)
        self.read += found.lists
        return found


def impression(at: float, rng: random.Random) -> Impression:
    items = [f"i{int(rng.paretovariate(0.7)) % 300}" for _ in range(rng.randint(0, 12))]
    return Impression("r", "u", at, "v", items, [1.0] * len(items), ["new"] * len(items))


def recount(store: MemoryImpressions, days: float, now: float) -> tuple[int, Counter[str]]:
    width = days * DAY / PARTS
    since = floor((now - days * DAY) / width) * width
    kept = [one for one in store.kept if one.at >= since]
    return len(kept), Counter(item for one in kept for item in one.items)


@pytest.mark.parametrize("days", [0.01, 1.0, 1 / 3])
def test_sums_are_what_a_recount_finds(days: float) -> None:
    """With looks close together and far apart, and lists that come to the store late."""
    rng, store, now = random.Random(days), Kept(), T0
    lately = Lately(store, days, lambda: now)

    async def story() -> None:
        nonlocal now
        waiting: list[Impression] = []
        for _ in range(150):
            now += rng.choice((0.5, 3, 3, 30, days * DAY / 100, days * DAY / 7))
            waiting += [
                impression(now - rng.random() * SETTLED_SECONDS * 0.9, rng) for _ in range(rng.randint(0, 4))
            ]
            await store.append([one for one in waiting if one.at < now - 1])
            waiting = [one for one in waiting if one.at >= now - 1]
            found = await lately.look()
            assert (found.lists, found.counts) == recount(store, days, now)
        now += 3 * days * DAY
        assert (await lately.look()).lists == 0

    asyncio.run(story())


def test_a_look_reads_what_came_since_the_last_one() -> None:
    """The whole day once, then the latest seconds: not the day for every look of every page."""
    rng, store, now = random.Random(0), Kept(), T0

    async def story() -> None:
        nonlocal now
        await store.append([impression(T0 - rng.random() * DAY, rng) for _ in range(5_000)])
        showings = Showings(store)
        lately = showings._lately[1.0] = Lately(store, 1.0, lambda: now)
        assert (await lately.look()).lists == 5_000
        assert (store.read, store.asked) == (5_000, PARTS + 1)
        store.asked = 0
        for _ in range(20):
            now += 3
            await store.append([impression(now - 1, rng)])
            pages = await asyncio.gather(*(showings.look(1.0) for _ in range(5)))
            assert all(page == pages[0] for page in pages)
        latest = SETTLED_SECONDS / 3 + 1
        assert store.read <= 5_000 + 20 + 20 * 5 * latest
        assert store.asked <= 20 * (5 + 2)

    asyncio.run(story())


def test_a_look_that_fails_half_way_is_gone_on_with() -> None:
    rng, store = random.Random(0), Kept()

    async def story() -> None:
        await store.append([impression(T0 - rng.random() * DAY, rng) for _ in range(500)])
        lately = Lately(store, 1.0, lambda: T0)
        store.fails_at = 100
        with pytest.raises(StoreError):
            await lately.look()
        found = await lately.look()
        assert (found.lists, found.counts) == recount(store, 1.0, T0)
        assert store.asked == PARTS + 2, "no part was read twice, but the one that failed"

    asyncio.run(story())


def test_sums_are_kept_for_the_spans_that_were_asked_last() -> None:
    async def story() -> None:
        showings = Showings(Kept())
        for days in (1.0, 7.0, 1.0, 30.0):
            await showings.look(days)
        assert list(showings._lately) == [1.0, 30.0]
        assert len(showings._lately) == SPANS

    asyncio.run(story())
