"""docs/http.md tells the truth: its requests are made, and the answers have the shape that it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.serving.storefronts.conftest import counter, wares_bundle

__all__ = ["counter", "wares_bundle"]
PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
EXAMPLE = re.compile(
    r"^####? `(?P<method>[A-Z]+) (?P<path>\S+)`\n(?P<before>.*?)^→ (?P<status>\d+)"
    r"(, empty$|\n+```json\n(?P<answer>.*?)^```)",
    re.MULTILINE | re.DOTALL,
)
STOREFRONTS = "\n## Storefronts\n"
BODY = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shape(value: Any) -> Any:
    """Names and kinds; of a list, those of its first entry."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def make_requests(client: TestClient, part: str) -> None:
    """In the order of the page: later ones build on what earlier ones wrote."""
    examples = list(EXAMPLE.finditer(part))
    assert len(examples) == len(re.findall(r"^####? `", part, re.MULTILINE)) > 10
    for example in examples:
        body = BODY.search(example["before"])
        answer = client.request(
            example["method"], example["path"], json=json.loads(body[1]) if body else None
        )
        where = f"{example['method']} {example['path']}"
        assert answer.status_code == int(example["status"]), (where, answer.text)
        if example["answer"] is None:
            assert answer.content == b"", where
        else:
            assert shape(answer.json()) == shape(json.loads(example["answer"])), where


def test_every_example_answers_as_it_is_told(worker: TestClient) -> None:
    make_requests(worker, PAGE.partition(STOREFRONTS)[0])


def test_every_example_of_the_storefronts_does(counter: TestClient) -> None:
    make_requests(counter, PAGE.partition(STOREFRONTS)[2])


def test_every_route_that_is_ours_is_told_of(worker: TestClient) -> None:
    told = {(example["method"], re.sub(r"\?.*", "", example["path"])) for example in EXAMPLE.finditer(PAGE)}
    paths = worker.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        # docs/operations.md tells of those for administrators and orchestrators.
        if not path.startswith(("/v1/models", "/v1/admin", "/metrics", "/health")):
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$")
            for method in methods:
                assert any(one == method.upper() and pattern.match(at) for one, at in told), (method, path)
