"""The OpenAPI document is kept: what it allows and what it forbids is sent to every route, and every answer is one
that it foretells. No request ends in an error of the server's own.

    python -m pytest tests/serving/test_openapi.py -m slow      the same with many more requests
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from catalog.memory import MemoryStore
from catalog.records import User, UserId
from embeddings.store import MemoryEmbeddingStore
from serving.app import create_app
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


def try_all_routes(address: str, requests_each: int) -> dict[str, set[int]]:
    """Send requests to every route of the document; the status codes by route."""
    document: Any = httpx.get(f"{address}/openapi.json", timeout=PATIENCE).json()
    seen: dict[str, set[int]] = {}
    with requests.Session() as session:
        schema = schemathesis.openapi.from_dict(document)
        operations = [result.ok() for result in schema.get_all_operations()]
        for operation in sorted(operations, key=lambda one: one.method.upper() == "DELETE"):
            seen[operation.label] = set()
            takes = any(operation.iter_parameters()) or len(operation.body) > 0
            for mode in GenerationMode if takes else [GenerationMode.POSITIVE]:
                _try_route(operation, mode, address, session, requests_each if takes else 1, seen)
    return seen


def _try_route(
    operation: Any, mode: GenerationMode, address: str, session: requests.Session, count: int,
    seen: dict[str, set[int]],
) -> None:  # fmt: skip
    forbidden = mode is GenerationMode.NEGATIVE
    checked = [*CONFORMS]
    if forbidden and operation.path != ROW_BY_ROW:
        checked.append(checks.negative_data_rejection)
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
        headers = None if forbidden else {"X-Admin-Key": KEY}
        answer = case.call(address, session, headers=headers, timeout=PATIENCE)
        seen[operation.label].add(answer.status_code)
        case.validate_response(answer, checks=checked)

    send()


def test_every_route_answers_as_it_is_documented(address: str) -> None:
    seen = try_all_routes(address, FEW)
    assert len(seen) > 25
    # Not only refusals were seen: every route that made-up data can please did what it is for.
    pleased = {label for label, codes in seen.items() if codes & {200, 201}}
    assert set(seen) - pleased <= HARD_TO_PLEASE


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_more(address: str) -> None:
    try_all_routes(address, MANY)
