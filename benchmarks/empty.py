"""Empty FastAPI endpoints that return given bytes: the ceiling that serving is measured against."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response


def create_app() -> FastAPI:
    """Both answer what the file that BENCH_BYTES names holds: `/bytes` as it is, `/object` serialised anew."""
    body = Path(os.environ["BENCH_BYTES"]).read_bytes()
    document = json.loads(body)
    app = FastAPI()

    @app.get("/bytes")
    async def same_bytes() -> Response:
        """The bytes."""
        return Response(body, media_type="application/json")

    @app.get("/object")
    async def same_object() -> Any:
        """The object that they stand for."""
        return document

    return app
