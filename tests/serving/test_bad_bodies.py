"""Bodies that no client would send: every route that takes one refuses them as a problem, and never fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from catalog.memory import MemoryStore
from serving.settings import Settings
from tests.serving.conftest import client_of
from tests.serving.storefronts.conftest import wares, wares_bundle

__all__ = ["wares_bundle"]
HALF = b'"\\ud800"'
"""Half of a surrogate pair, which JSON's grammar allows and no text holds."""
BODIES = {
    "nothing": b"", "no JSON": b"{", "no text": b"\xff\xfe{}", "a number": b"3", "null": b"null", "text": b'"x"',
    "many lists": b"[" * 100_000, "many objects": b'{"user_id":' * 50_000,
    "deep": b'{"user_id": "u", "context": ' + b"[" * 900 + b"]" * 900 + b"}",
    "NaN": b'{"user_id": NaN}', "infinity": b'{"user_id": "u", "k": Infinity}', "huge": b'{"user_id": 1e999}',
    "digits": b'{"user_id": %s}' % (b"9" * 5000), "long": b'{"user_id": "%s"}' % (b"x" * 5000),
    "no pair in an id": b'{"user_id": %s, "item_id": %s, "candidates": [%s]}' % (HALF, HALF, HALF),
    "no pair elsewhere": b'{"user_id": "u", "item_id": "i", "title": %s, "candidate_movies": [%s], "query": %s,'
    b' "type": "search", "event_type": "search_query", "features": {"age": %s}}' % (HALF, HALF, HALF, HALF),
    "NUL": b'{"user_id": "a\\u0000b", "item_id": "a\\u0000b", "candidates": ["\\u0000"], "candidate_movies": []}',
    "too large": b'"%s"' % (b"x" * 2_100_000),
}  # fmt: skip
ROUTES = (
    "POST /recommend", "POST /recommendation/ranked_recommendation", "POST /api/v1/interactions/interactions",
    "POST /v1/interactions", "POST /v1/rank", "POST /v1/users", "PUT /v1/users/u", "POST /v1/items",
    "PUT /v1/items/i", "PATCH /v1/items/B000000001", "POST /v1/search/image",
)  # fmt: skip
IGNORED = ("POST /recommend", "deep")
"""What is fine there, as other keys are ignored."""


@pytest.fixture(scope="module")
def counter(wares_bundle: Path) -> Iterator[TestClient]:
    store = MemoryStore()
    store.put_items(wares())
    with client_of(Settings(bundle=wares_bundle, user_seconds=0), store.live()) as client:
        yield client


@pytest.mark.parametrize("route", ROUTES)
def test_no_body_is_too_odd(counter: TestClient, route: str) -> None:
    method, path = route.split(" ")
    for name, body in BODIES.items():
        answer = counter.request(method, path, content=body, headers={"content-type": "application/json"})
        if (route, name) == IGNORED:
            assert answer.status_code == 200
            continue
        assert 400 <= answer.status_code < 500, (name, answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", name
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert 10 < len(problem["detail"]) < 2000, (name, problem["detail"])


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize("body", [b"", b"--x\r\n", b"a=1&a=2", b"\xff" * 100])
def test_no_form_is_too_odd(counter: TestClient, kind: str, body: bytes) -> None:
    for path in ("/v1/items", "/v1/search/image", "/recommend"):
        answer = counter.post(path, content=body, headers={"content-type": kind})
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"
