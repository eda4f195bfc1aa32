"""docs/http.md tells the truth: its requests are made, and the answers have the shape that it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
EXAMPLE = re.compile(
    r"^### `(?P<method>[A-Z]+) (?P<path>\S+)`\n(?P<before>.*?)^→ (?P<status>\d+)\n+```json\n(?P<answer>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
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


def test_every_example_answers_as_it_is_told(worker: TestClient) -> None:
    """In the order of the page: later ones build on what earlier ones wrote."""
    examples = list(EXAMPLE.finditer(PAGE))
    assert len(examples) == PAGE.count("\n### ") > 15
    for example in examples:
        body = BODY.search(example["before"])
        answer = worker.request(
            example["method"], example["path"], json=json.loads(body[1]) if body else None
        )
        where = f"{example['method']} {example['path']}"
        assert answer.status_code == int(example["status"]), (where, answer.text)
        assert shape(answer.json()) == shape(json.loads(example["answer"])), where


def test_every_route_that_is_ours_is_told_of(worker: TestClient) -> None:
    told = {(example["method"], re.sub(r"\?.*", "", example["path"])) for example in EXAMPLE.finditer(PAGE)}
    paths = worker.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        # docs/operations.md tells of those for administrators.
        if path.startswith("/v1/") and not path.startswith(("/v1/models", "/v1/admin")):
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$")
            for method in methods:
                assert any(one == method.upper() and pattern.match(at) for one, at in told), (method, path)
