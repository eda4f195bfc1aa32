"""The typed client, against the real service: in process, and over loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from catalog.errors import RecommenderError
from catalog.records import Item, ItemId
from serving.app import create_app
from serving.http import answers, problems
from serving.page import dataset
from serving.routes import models as routes
from serving.settings import Settings
from tests.bundle import senses
from tests.patience import PATIENCE, eventually
from tests.serving.sensing import Shop, sensing_bundle, shop
from towerbridge.client import (
    AnswerError,
    AsyncClient,
    Client,
    ElsewhereError,
    Interaction,
    NotFoundError,
    ProblemError,
    RefusedError,
    UnavailableError,
    UnreachableError,
    calls,
    results,
)
from towerbridge.client.reading import read

__all__ = ["sensing_bundle", "shop"]
CALLS = {
    name for name, call in vars(calls).items()
    if inspect.isfunction(call) and call.__module__ == calls.__name__ and not name.startswith("_")
}  # fmt: skip


@pytest.fixture(scope="module")
def client(sensing_bundle: Path) -> Iterator[Client]:
    """A client over loopback; tests are about items and users of their own."""
    with listening(Shop(sensing_bundle)) as url, Client(url, timeout=PATIENCE, retries=5) as client:
        yield client


@contextmanager
def listening(shop: Shop) -> Iterator[str]:
    """Where a service on a thread of its own listens."""
    server = uvicorn.Server(uvicorn.Config(app_of(shop), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        eventually(lambda: httpx.get(f"{url}/health/ready", timeout=PATIENCE).status_code == 200)
        yield url
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def app_of(shop: Shop) -> FastAPI:
    settings = Settings(bundle=shop.bundle, user_seconds=0)
    return create_app(settings, store=shop.records.live(), embeddings=shop.vectors)


def canned(*answers: httpx.Response) -> tuple[Client, list[httpx.Request]]:
    """A client of a service that gives these answers one by one, and what it was asked."""
    asked: list[httpx.Request] = []
    coming = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return next(coming)

    return Client("http://canned", transport=httpx.MockTransport(answer)), asked


def unready(pause: str = "0") -> httpx.Response:
    problem = {"title": "Service Unavailable", "status": 503, "detail": "being opened"}
    return httpx.Response(503, json=problem, headers={"retry-after": pause})


def test_recommendations_follow_what_was_recorded(client: Client) -> None:
    before = client.recommendations("ann", limit=48)
    assert (before.user_id, before.degraded, before.model_version) == ("ann", False, senses.VERSION)
    taken = client.record(
        Interaction("ann", "i0", "click"),
        Interaction("ann", "i4", "rating", 5, timestamp=datetime(2026, 1, 2, tzinfo=UTC)),
        Interaction("ann", "i8", "rating", 9),
    )
    assert taken.accepted == 2
    assert [(each.index, each.field) for each in taken.errors] == [(2, "value")]
    after = client.recommendations("ann", limit=48, exclude=["i12", "i16"], explain=True)
    shown = {item.item_id for item in after.items}
    assert len(before.items) - len(shown) == 4
    assert not {"i0", "i4", "i12", "i16"} & shown
    first = after.items[0]
    assert first.explanation is not None
    assert first.explanation.shares is not None
    assert first.explanation.item_id == first.explanation.history[0].item_id
    assert first.metadata["theme"] == "space"
    as_of = client.recommendations("ann", limit=48, time=datetime(2026, 1, 1, tzinfo=UTC))
    assert {"i0", "i4"} <= {item.item_id for item in as_of.items}
    only = client.recommendations("ann", category=["horror", "football"], w_text=1, diversity=0.5)
    assert {item.metadata["theme"] for item in only.items} == {"horror", "football"}
    assert only.items[0].likeness is not None
    done = client.interactions("ann", days=3650, limit=1).interactions
    assert [(each.item_id, each.type) for each in done] == [("i0", "click")]


def test_an_interaction_that_is_sent_again_counts_once(client: Client) -> None:
    clicked = Interaction("bob", "i0", "click")
    for _ in range(2):
        assert client.record(clicked).accepted == 1
    assert len(client.interactions("bob").interactions) == 1
    assert clicked.event_id != Interaction("bob", "i0", "click").event_id


def test_rank_similar_and_search(client: Client) -> None:
    ranked = client.rank("u0", ["i1", "who?", "i4"])
    assert [(item.item_id, item.unknown) for item in ranked.items][-1] == ("who?", True)
    assert ranked.items[-1].score is None
    assert ranked.items[0].rating is not None
    assert all(item.metadata["theme"] == "space" for item in client.similar("i0", limit=3).items)
    assert client.similar("i0", by="covisitation", limit=1).items[0].source == "item_item"
    found = client.search("rocket", user_id="u0", limit=2)
    assert (found.query, len(found.items), found.expanded) == ("rocket", 2, None)
    assert isinstance(client.search("film", explain=True).expanded, dict | None)
    seen = client.search_picture(senses.picture(senses.THEMES["horror"][1]), limit=3)
    assert {item.metadata["theme"] for item in seen.items} == {"horror"}


@pytest.mark.parametrize("name", ["new", "a/b", "..", ".", "ü 🎬?&#%2F"])
def test_items_of_any_name_come_and_go(client: Client, name: str) -> None:
    picture = senses.picture(senses.THEMES["space"][1])
    written = client.put_item(name, title="A moon", image=picture, features={"theme": "space", "year": 1990})
    assert (written.item_id, written.created, written.image) == (name, True, True)
    assert client.change_item(name, text="Far away.", image=None).image is False
    stored = client.item(name)
    assert (stored.title, stored.text, stored.available) == ("A moon", "Far away.", True)
    assert stored.features == {"theme": "space", "year": 1990.0}
    assert client.change_item(name, available=False).available is False
    assert client.delete_item(name).deleted
    with pytest.raises(NotFoundError, match="there is no item"):
        client.item(name)


def test_users_come_and_go(client: Client) -> None:
    assert client.put_user("a/n", {"age": 31, "job": "cook"}).created
    assert not client.put_user("a/n", {"age": 32}).created
    assert client.user("a/n").features == {"age": 32.0}
    client.record(Interaction("a/n", "i0", "click"))
    assert client.forget_user("a/n") == results.ForgottenUser("a/n", True, 1)
    with pytest.raises(NotFoundError):
        client.user("a/n")


def test_what_a_page_asks_first(client: Client) -> None:
    told = client.dataset()
    assert (told.dataset, told.model_version, told.category) == ("senses", senses.VERSION, "theme")
    assert {each.name for each in told.categories} == set(senses.THEMES)
    assert told.item_features["theme"] == results.FeatureKind("categorical")
    assert told.gestures.open == results.Gesture("click", None)
    assert client.users("u", limit=2) == results.UserIds(("u0", "u1"), 4)
    assert client.users("nobody") == results.UserIds((), 0)


def test_one_source_by_itself(client: Client) -> None:
    popular = client.from_source("popular", limit=3, category=["space"])
    assert [item.source for item in popular.items] == ["popular"] * 3
    client.record(Interaction("cid", popular.items[0].item_id, "click"))
    left = client.from_source("popular", user_id="cid", limit=48)
    assert popular.items[0].item_id not in {item.item_id for item in left.items}
    with pytest.raises(RefusedError):
        client.from_source("no such source")


def test_a_picture_comes_back_as_it_was_sent(client: Client) -> None:
    picture = senses.picture(senses.THEMES["space"][1])
    client.put_item("seen", title="A moon", image=picture)
    assert client.picture("seen") == picture
    client.change_item("seen", image=None)
    with pytest.raises(NotFoundError, match="has no picture"):
        client.picture("seen")
    client.delete_item("seen")


def test_a_picture_on_the_web_is_not_fetched(shop: Shop) -> None:
    shop.records.put_items([Item(ItemId("web"), image="https://cdn.example/a.jpg")])
    with (
        listening(shop) as url, Client(url, timeout=PATIENCE, retries=5) as client,
        pytest.raises(ElsewhereError, match=r"get it from https://cdn\.example/a\.jpg") as raised,
    ):  # fmt: skip
        client.picture("web")
    assert raised.value.address == "https://cdn.example/a.jpg"


def test_health(client: Client) -> None:
    assert client.health().status == "healthy"
    ready = client.ready()
    assert (ready.model_version, ready.store, ready.reason) == (senses.VERSION, "up", "")


def test_models(client: Client) -> None:
    """The bundle is given by path here, so that there is no registry to move in."""
    assert client.ready().status == "ready"  # waits while the model is opened, as listing does not
    listed = client.models()
    assert (listed.answering, listed.refused) == (senses.VERSION, None)
    with pytest.raises(RefusedError) as raised:
        client.rollback()
    assert raised.value.problem.status == 409
    with pytest.raises((NotFoundError, RefusedError)):
        client.promote("../1")


def test_what_is_wrong_is_raised_with_its_problem(client: Client) -> None:
    with pytest.raises(RefusedError, match=r"query\.limit") as raised:
        client.recommendations("u0", limit=0)
    problem = raised.value.problem
    assert (problem.status, problem.errors[0].field, problem.errors[0].found) == (422, "query.limit", "0")
    assert problem.request_id
    assert isinstance(raised.value, RecommenderError)


def test_a_client_that_is_awaited_says_the_same(shop: Shop) -> None:
    async def both() -> None:
        app = app_of(shop)
        async with (
            app.router.lifespan_context(app),
            AsyncClient("http://test", transport=httpx.ASGITransport(app), retries=60) as client,
        ):
            assert (await client.ready()).status == "ready"  # waits while the model is opened
            await client.record(Interaction("ann", "i0", "click"))
            shown, alike = await asyncio.gather(client.recommendations("ann"), client.similar("i0"))
            assert shown.items[0].metadata["theme"] == alike.items[0].metadata["theme"] == "space"
            with pytest.raises(NotFoundError):
                await client.item("nobody")

    asyncio.run(both())


def test_it_waits_where_it_is_asked_to_and_only_then() -> None:
    healthy = httpx.Response(200, json={"status": "healthy"})
    client, asked = canned(unready(), unready(), healthy)
    assert (client.health().status, len(asked)) == ("healthy", 3)
    client, asked = canned(*[unready("1")] * 3)
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="being opened") as raised:
        client.health()
    assert (len(asked), raised.value.retry_after) == (3, 1.0)
    assert 2 <= time.monotonic() - began < PATIENCE
    client, asked = canned(unready("3600"))
    with pytest.raises(UnavailableError):
        client.health()
    for once in (
        httpx.Response(503, json={"title": "x", "status": 503, "detail": "y"}),  # says not when
        httpx.Response(500, json={"title": "x", "status": 500, "detail": "y"}),
    ):
        client, asked = canned(once)
        with pytest.raises(ProblemError, match="x: y"):
            client.health()
    client, asked = canned(unready())
    with pytest.raises(UnavailableError):
        client.forget_user("ann")  # twice would say that there was nobody
    assert len(asked) == 1


def test_an_interaction_keeps_its_id_over_retries() -> None:
    client, asked = canned(unready(), httpx.Response(200, json={"accepted": 1, "errors": []}))
    client.record(Interaction("ann", "i0", "click"))
    sent = [json.loads(request.content) for request in asked]
    assert sent[0] == sent[1]
    assert len(sent[0][0]["event_id"]) == 32


def test_silence_and_strangers_are_told_apart() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(UnreachableError, match=r"http://canned.*connection refused.*running"):
        Client("http://canned", transport=httpx.MockTransport(refuse)).health()
    for stranger in (
        httpx.Response(200, text="<html>"), httpx.Response(200, json=[]), httpx.Response(404, json={}),
        httpx.Response(200, json={"status": 1}), httpx.Response(200, json={"state": "healthy"}),
    ):  # fmt: skip
        with pytest.raises(AnswerError, match="another service"):
            canned(stranger)[0].health()


def test_the_admin_key_goes_along() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("x-admin-key"))
        return httpx.Response(200, json={"status": "healthy"})

    for key in ("secret", None):
        Client(admin_key=key, transport=httpx.MockTransport(answer)).health()
    assert seen == ["secret", None]


def test_results_have_the_fields_of_the_answers() -> None:
    """All that an answer always has; what it may leave out has a default."""
    models = {**vars(answers), **vars(problems), **vars(routes), **vars(dataset)}
    renamed = {
        "StoredItem": "StoredItemOut",
        "Model": "ModelOut",
        "Models": "ModelsOut",
        "Refused": "RefusedOut",
    }
    compared = 0
    for name, kind in vars(results).items():
        model = models.get(renamed.get(name, name))
        if not dataclasses.is_dataclass(kind) or model is None:
            continue
        compared += 1
        fields = dataclasses.fields(kind)
        known = {field.name for field in fields}
        always = {field for field, info in model.model_fields.items() if info.is_required()}
        assert always <= known <= set(model.model_fields), name
        assert {field.name for field in fields if field.default is dataclasses.MISSING} <= always, name
    assert compared > 25


def test_reading_says_where_an_answer_is_not_what_it_should_be() -> None:
    item = {"item_id": "1", "score": 1, "source": "words", "metadata": {}}
    whole = {
        "query": "q", "items": [item], "request_id": "", "model_version": "", "latency_ms": 1,
        "degraded": False, "more": 1,
    }  # fmt: skip
    assert read(results.SearchResults, whole).items == (results.FoundItem("1", 1.0, "words", {}),)
    for name, wrong in (("score", True), ("item_id", None), ("metadata", [])):
        with pytest.raises(ValueError, match=rf"items\[0\]\.{name}"):
            read(results.SearchResults, whole | {"items": [item | {name: wrong}]})


def test_both_clients_have_every_call() -> None:
    for kind in (Client, AsyncClient):
        assert set(vars(kind)) >= CALLS
        for name in CALLS:
            assert inspect.signature(getattr(kind, name)) == inspect.signature(getattr(calls, name))
            assert getattr(kind, name).__doc__


WITHOUT_A_CALL = {
    ("POST", "/v1/items"): "put_item says the same, with the id where it belongs",
    ("POST", "/v1/users"): "put_user says the same",
    ("GET", "/health/live"): "for whoever restarts the process; health and ready say more",
    ("GET", "/metrics"): "for Prometheus, in its own format",
    ("GET", "/v1/admin/overview"): "the control room's own: what is in it is whatever that page shows",
    ("GET", "/v1/admin/inspect"): "the same",
    ("GET", "/v1/admin/map"): "the same",
    ("GET", "/v1/admin/runs"): "the same",
}
"""Routes that the clients leave out, and why; besides those that speak as other services do."""


def test_every_call_goes_to_a_route_and_every_route_has_a_call() -> None:
    paths = create_app(Settings(mongodb_uri="mongodb://nowhere")).openapi()["paths"]
    arguments = {
        "user_id": "{user_id}", "item_id": "{item_id}", "source": "{source}", "version": "{version}", "q": "q",
        "picture": b"", "candidates": [],
    }  # fmt: skip
    called = set()
    for name in sorted(CALLS):
        parameters = inspect.signature(getattr(calls, name)).parameters.values()
        needed = [
            arguments[each.name] for each in parameters
            if each.default is each.empty and each.kind is not each.VAR_POSITIONAL
        ]  # fmt: skip
        made = getattr(calls, name)(*needed)
        path = paths[unquote(made.path)][made.method.lower()]
        known = {parameter["name"] for parameter in path.get("parameters", ())}
        assert {parameter for parameter, _ in made.query} <= known
        called.add((made.method, unquote(made.path)))
    served = {
        (method.upper(), path) for path, methods in paths.items() for method, told in methods.items()
        if "storefronts" not in told.get("tags", ())
    }  # fmt: skip
    assert served - called == set(WITHOUT_A_CALL)


def test_it_imports_httpx_and_nothing_else_that_is_not_needed() -> None:
    code = (
        "import sys; before = set(sys.modules); import httpx; httpx = set(sys.modules); import towerbridge.client;"
        "new = {name for name in set(sys.modules) - httpx if name not in sys.stdlib_module_names};"
        "print(*sorted(new))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [name for name in run.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert {name for name in ours if not name.startswith("towerbridge.client")} == {
        "catalog", "catalog.errors", "towerbridge",
    }  # fmt: skip
