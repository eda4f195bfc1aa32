"""Live events move what trends, in every worker, without a retrain."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bundle.reader import Bundle
from catalog.errors import StoreError
from catalog.memory import MemoryStore
from catalog.records import Interaction, ItemId, UserId
from serving.live import pulse
from serving.live.pulse import Pulse
from serving.live.state import GuardedStore
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import Query
from serving.settings import Settings
from tests.bundle.make import item_id
from tests.patience import eventually, eventually_here
from tests.serving.conftest import client_of
from tests.serving.recommend.test_pipeline import STRANGER


def trending(pipeline: Pipeline) -> list[int]:
    return pipeline.propose("trending", STRANGER, Query(limit=5)).rows.tolist()


def click(user: str, row: int, *, sequence: int | None = None, kind: str = "click") -> Interaction:
    sequence = time.time_ns() if sequence is None else sequence
    return Interaction(UserId(user), ItemId(item_id(row)), kind, sequence / 1e9, sequence=sequence)


class Worker:
    """A pipeline that follows a store, step by step."""

    def __init__(self, bundle: Bundle, store: MemoryStore, as_of: float = 0.0) -> None:
        self.live = store.live()
        guarded = GuardedStore(self.live, read_seconds=1, write_seconds=1, retry_seconds=0.01)
        self.pipeline = Pipeline(bundle)
        source = self.pipeline.trending
        assert source is not None
        schema = bundle.manifest.dataset_schema
        self.pulse = Pulse(source, self.pipeline.catalogue.ids, schema, guarded, as_of, 0.01)

    def counts(self) -> dict[int, float]:
        found = self.pipeline.propose("trending", STRANGER, Query(limit=40))
        return {
            row: round(score, 2)
            for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
        }


def test_each_event_counts_once_in_each_worker(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A click is worth half an event; dismissals and what is not in the catalogue are worth nothing."""
    monkeypatch.setattr(pulse, "TOGETHER", 3)
    store = MemoryStore()
    first, second = Worker(bundle, store), Worker(bundle, store)

    async def story() -> None:
        for user in "abcd":
            await first.live.append([click(user, 7)])
        await second.live.append(
            [click("a", 9), click("a", 9, kind="dismiss"), click("a", 12, kind="dismiss")]
        )
        await second.live.append(
            [Interaction(UserId("a"), ItemId("unheard of"), "click", time.time(), sequence=time.time_ns())]
        )
        for worker in (first, second, first):
            await worker.pulse.catch_up()
        assert first.counts() == second.counts() == {7: 2.0, 9: 0.5}
        late = click(
            "z", 9, sequence=time.time_ns() - 2 * 10**9
        )  # written by a clock that is two seconds behind
        await first.live.append([late, click("z", 7)])
        for _ in range(2):
            await second.pulse.catch_up()
        assert second.counts() == {7: 2.5, 9: 1.0}

    asyncio.run(story())


def test_a_crowd_of_one_moment_is_not_read_for_ever(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "TOGETHER", 3)
    store, moment = MemoryStore(), time.time_ns()
    worker = Worker(bundle, store)

    async def story() -> None:
        await worker.live.append([click(f"u{n}", 7, sequence=moment) for n in range(3)])
        await worker.live.append([click(f"u{n}", 9, sequence=moment + n) for n in range(1, 5)])
        await worker.pulse.catch_up()
        assert worker.counts() == {9: 2.0, 7: 1.5}

    asyncio.run(story())


def test_what_the_bundle_has_learned_from_is_not_heard_again(bundle: Bundle) -> None:
    store, now = MemoryStore(), time.time()
    worker = Worker(bundle, store, as_of=now)

    async def story() -> None:
        await worker.live.append([click("a", 7, sequence=int((now - 3600) * 1e9)), click("a", 9)])
        await worker.pulse.catch_up()
        assert set(worker.counts()) == {9}

    asyncio.run(story())


def test_a_store_that_fails_is_asked_again(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    worker = Worker(bundle, store)
    news, calls = worker.live.news, []

    async def flaky(since: int, limit: int) -> object:
        calls.append(since)
        if len(calls) == 1:
            raise TypeError("broken")
        return await news(since, limit)

    monkeypatch.setattr(worker.live, "news", flaky)

    async def story() -> None:
        await worker.live.append([click("a", 7)])
        task = asyncio.create_task(worker.pulse.follow())
        await eventually_here(lambda: 7 in worker.counts())
        task.cancel()

    asyncio.run(story())
    assert len(calls) > 1


def test_a_question_that_hangs_ends_and_lets_requests_through(monkeypatch: pytest.MonkeyPatch) -> None:
    live = MemoryStore().live()
    guarded = GuardedStore(live, read_seconds=0.02, write_seconds=1, retry_seconds=60)

    async def hang(since: int, limit: int) -> object:
        await asyncio.Event().wait()
        raise AssertionError("it was waited for")

    monkeypatch.setattr(live, "news", hang)

    async def story() -> None:
        with pytest.raises(StoreError, match=r"within 0\.02 s"):
            await guarded.news(0, 10)
        assert guarded.resting == 0
        assert await guarded.user("nobody") is None

    asyncio.run(story())


def test_two_workers_on_one_store_trend_alike(bundle_path: Path, store: MemoryStore) -> None:
    settings = Settings(bundle=bundle_path, user_seconds=0, trending_seconds=0.02)
    with client_of(settings, store.live()) as here, client_of(settings, store.live()) as there:
        pipelines = [client.app.state.service.model.pipeline for client in (here, there)]  # type: ignore[attr-defined]
        for user in ("u0", "u1"):
            told = here.post(
                "/v1/interactions", json={"user_id": user, "item_id": item_id(30), "type": "click"}
            )
            assert told.status_code == 200, told.text
        there.post("/v1/interactions", json={"user_id": "u0", "item_id": item_id(31), "type": "click"})
        eventually(lambda: all(trending(each) == [30, 31] for each in pipelines))
