"""An empty FastAPI endpoint that returns given bytes: the ceiling that serving is measured against."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import Response


def create_app() -> FastAPI:
    """`GET /same` answers the bytes of the file that BENCH_BYTES names."""
    body = Path(os.environ["BENCH_BYTES"]).read_bytes()
    app = FastAPI()

    @app.get("/same")
    async def same() -> Response:
        """The bytes."""
        return Response(body, media_type="application/json")

    return app
