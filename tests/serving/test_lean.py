"""A serving process never loads what trains: checked in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE

FORBIDDEN = (
    "tensorflow", "keras", "tf_keras", "tensorflow_recommenders", "tf2onnx", "onnx", "torch", "torchvision",
    "transformers", "sentence_transformers", "timm", "pandas", "mlflow", "scipy", "sklearn",
)  # fmt: skip
CODE = """
import json, sys
from pathlib import Path
from starlette.testclient import TestClient
from catalog.memory import MemoryStore
from serving.app import create_app
from serving.settings import Settings

with TestClient(create_app(Settings(bundle=Path(sys.argv[1])), store=MemoryStore().live())) as client:
    while client.get("/health/ready").status_code != 200:
        pass
    assert len(client.get("/v1/users/u/recommendations?explain=true&diversity=0.5").json()["items"]) == 10
    assert client.post("/v1/rank", json={"user_id": "u", "candidates": ["i1"]}).status_code == 200
    event = {"user_id": "u", "item_id": "i1", "type": "click"}
    assert client.post("/v1/interactions", json=event).json()["accepted"] == 1
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_answering_loads_no_training_framework(bundle_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(bundle_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & set(FORBIDDEN)
    assert {"onnxruntime", "faiss", "numpy"} <= loaded
