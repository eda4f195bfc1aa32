"""The OpenAPI document is kept: what it allows and what it forbids is sent to every route, and every answer is one
that it foretells. No request ends in an error of the server's own.

    python -m pytest tests/serving/test_openapi.py -m slow      the same with many more requests
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jsonschema_rs
import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

from catalog.memory import MemoryStore
from catalog.records import User, UserId
from embeddings.store import MemoryEmbeddingStore
from serving.app import _routes, create_app
from serving.http.connection import WholeAnswers
from serving.settings import Settings
from tests.serving.storefronts.conftest import asin, wares, wares_bundle

__all__ = ["wares_bundle"]
FEW, MANY = 5, 50
"""Requests to each route, of what it allows and of what it forbids."""
PATIENCE = 60.0
"""Seconds for an answer, as a machine that has other things to do may take them."""
KEY = "of the administrators"
THERE = {
    "item_id": asin(3), "product_id": asin(3), "user_id": "ann", "source": "trending",
    "version": "20260203-040506-abcdef",
}  # fmt: skip
"""What every other request asks for in its path, as made-up ids are hardly ever known."""
CONFORMS = [
    not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_headers_conformance, checks.response_schema_conformance,
]  # fmt: skip
HARD_TO_PLEASE = {
    "POST /v1/search/image", "POST /v1/models/rollback", "POST /v1/models/{version}/promote",
    "POST /api/v1/interactions/interactions",
}  # fmt: skip
"""Routes that want more than their document can say: a picture, another model, one id or another."""
ROW_BY_ROW = "/v1/interactions"
"""Answers for a batch row by row, so what is forbidden in a row is not refused as a whole."""


@pytest.fixture(scope="module")
def address(wares_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop of 48 products on a real server."""
    store = MemoryStore()
    store.put_items(wares())
    store.put_users([User(UserId("ann"))])
    home = tmp_path_factory.mktemp("home")
    app = create_app(
        Settings(bundle=wares_bundle, home=home, user_seconds=0, admin_key=KEY),
        store=store.live(), embeddings=MemoryEmbeddingStore(),
    )  # fmt: skip
    config = uvicorn.Config(app, port=0, log_level="critical", access_log=False, http=WholeAnswers)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        while httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE).status_code != 200:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def _operations() -> list[Any]:
    """All that the document tells of; what takes things away comes last."""
    app = create_app(Settings(bundle=Path("not opened")), store=MemoryStore().live())
    schema = schemathesis.openapi.from_dict(app.openapi())
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda one: one.method.upper() == "DELETE")


OPERATIONS = {operation.label: operation for operation in _operations()}


def send_all_kinds(operation: Any, address: str, count: int) -> set[int]:
    """Send requests that the document allows and requests that it forbids; the status codes."""
    seen: set[int] = set()
    takes = any(operation.iter_parameters()) or len(operation.body) > 0
    with requests.Session() as session:
        for mode in GenerationMode if takes else [GenerationMode.POSITIVE]:
            _send(operation, mode, address, session, count if takes else 1, seen)
    return seen


def _send(
    operation: Any, mode: GenerationMode, address: str, session: requests.Session, count: int, seen: set[int]
) -> None:
    forbidden = mode is GenerationMode.NEGATIVE
    sent = 0

    @seed(1)
    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        nonlocal sent
        sent += 1
        if not forbidden and sent % 2:
            for name in set(case.path_parameters or ()) & set(THERE):
                case.path_parameters[name] = THERE[name]
        # The key is a header of the document: with a wrong one only the refusal is looked at.
        headers = None if _is_wrong_at(case, ParameterLocation.HEADER) else {"X-Admin-Key": KEY}
        answer = case.call(address, session, headers=headers, timeout=PATIENCE)
        seen.add(answer.status_code)
        checked = [*CONFORMS]
        if forbidden and operation.path != ROW_BY_ROW and not _is_fine_as_text(case, answer.request.url):
            checked.append(checks.negative_data_rejection)
        case.validate_response(answer, checks=checked)

    send()


def _is_wrong_at(case: Case, *locations: ParameterLocation) -> bool:
    return case.meta is not None and any(map(case.meta.is_negative_at, locations))


def _is_fine_as_text(case: Case, url: str) -> bool:
    """Whether only the query was to be wrong, and is not: `null` is a category's name once it is in an address."""
    if _is_wrong_at(case, ParameterLocation.BODY, ParameterLocation.PATH, ParameterLocation.HEADER):
        return False
    given = parse_qs(urlsplit(url).query, keep_blank_values=True)
    for parameter in case.operation.query:
        schema, said = parameter.definition["schema"], given.get(parameter.name)
        if said is None:
            if parameter.is_required:
                return False
        elif schema.get("type") == "array":
            if not all(_suits(one, schema["items"]) for one in said):
                return False
        elif not _suits(said[-1], schema):
            return False
    return True


def _suits(text: str, schema: dict[str, Any]) -> bool:
    """Whether a text is what a schema allows, or a number or truth value in writing that is."""
    readings: list[object] = [text]
    for kind in (int, float):
        with suppress(ValueError):
            readings.append(kind(text))
    readings += [text == "true"] if text in ("true", "false") else []
    return any(jsonschema_rs.is_valid(schema, reading) for reading in readings)


def test_the_document_tells_of_every_route() -> None:
    """All but pages for browsers and second addresses of the same."""
    untold = {f"{method} {path}" for method, path in _routes()} - set(OPERATIONS)
    assert {label for label in untold if not label.startswith("HEAD ")} == {
        "GET /", "GET /admin", "GET /docs", "GET /assets/{name}", "GET /favicon.svg", "GET /post/recommendations",
        "GET /api/v1/recommendations/home", "GET /api/v1/recommendations/product/{product_id}",
        "GET /api/v1/recommendations/search",
    }  # fmt: skip


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_route_answers_as_it_is_documented(address: str, label: str) -> None:
    codes = send_all_kinds(OPERATIONS[label], address, FEW)
    # Not only refusals were seen: every route that made-up data can please did what it is for.
    assert codes & {200, 201} or label in HARD_TO_PLEASE


@pytest.mark.slow
@pytest.mark.parametrize("label", OPERATIONS)
def test_many_more(address: str, label: str) -> None:
    send_all_kinds(OPERATIONS[label], address, MANY)
