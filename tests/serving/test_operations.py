"""docs/operations.md tells the truth: its calls are made, and every call for administrators is on the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

from serving.observe.counts import Counts
from tests.serving.sensing import Shop
from tests.serving.test_documented import EXAMPLE, shape
from tests.serving.test_swap import home, serving, shop, three
from towerbridge.cli import app
from towerbridge.config import unknown_variables

__all__ = ["home", "shop", "three"]
PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


def test_every_call_for_administrators_answers_as_it_is_told(home: Path, shop: Shop) -> None:
    with serving(home, shop, impressions=1.0) as client:
        for user in ("u0", "u1"):
            client.get(f"/v1/users/{user}/recommendations")
        client.post("/v1/interactions", json={"user_id": "u0", "item_id": "i1", "type": "click"})
        assert client.portal is not None
        client.portal.call(client.app.state.service.impressions.flush)  # type: ignore[attr-defined]
        told = set()
        for example in EXAMPLE.finditer(PAGE):
            path = example["path"]
            answer = client.request(example["method"], path)
            assert answer.status_code == int(example["status"]), (path, answer.text)
            assert shape(answer.json()) == shape(json.loads(example["answer"])), path
            told.add((example["method"], re.sub(r"\d{8}-\d{6}-\w{6}", "{version}", path.partition("?")[0])))
        paths = client.get("/openapi.json").json()["paths"]
        ours = {
            (method.upper(), path)
            for path, methods in paths.items()
            for method, one in methods.items()
            if "admin" in one.get("tags", ())
        }
        assert told == ours


def test_commands_metrics_and_variables_that_are_named_exist() -> None:
    verbs = {each.name for each in app.registered_commands}
    named = set(re.findall(r"^    towerbridge ([a-z]+)", PAGE, re.MULTILINE)) | set(
        re.findall(r"`towerbridge ([a-z]+)", PAGE)
    )
    assert {"schedule", "dump", "restore", "promote", "rollback", "models", "serve"} <= named <= verbs
    assert unknown_variables(dict.fromkeys(re.findall(r"TOWERBRIDGE_[A-Z_]*[A-Z]", PAGE), "")) == []
    for family in Counts().families:
        assert f"`{family.name}{'_total' if family.kind == 'counter' else ''}`" in PAGE
