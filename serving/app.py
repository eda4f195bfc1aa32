"""The HTTP service: `create_app(settings)` for tests and servers, `serve(settings)` to run it.

A single process listens at once and opens the model beside; until that is done every answer but `/health/live` is
a 503 that says what is being waited for. Of several workers each accepts when it can answer. No training
framework is imported here or by anything below.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from catalog.errors import ConfigError, RecommenderError
from catalog.mongo import database_name
from catalog.mongo_live import MongoLiveStore
from catalog.store import LiveStore
from serving import problems
from serving.limits import LimitBody
from serving.routes import health, interactions, movies, rank, recommendations
from serving.service import Model, Service
from serving.settings import Settings
from serving.state import GuardedStore

log = logging.getLogger(__name__)
ROUTERS = (recommendations.router, rank.router, movies.router, interactions.router, health.router)


def create_app(settings: Settings | None = None, *, store: LiveStore | None = None) -> FastAPI:
    """The ASGI application; nothing is opened before it starts.

    Args:
        settings: None reads them from the environment.
        store: instead of the configured MongoDB.

    Raises:
        ConfigError: neither a store nor the address of one is given.
    """
    settings = settings or Settings()
    if store is None and not settings.mongodb_uri:
        raise ConfigError(
            "expected the address of a MongoDB in TOWERBRIDGE_MONGODB_URI, found none; "
            "`towerbridge serve` starts one of its own where there is none"
        )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            live = store
            if live is None:
                live = await stack.enter_async_context(_open_store(settings))
            guarded = GuardedStore(
                live, read_seconds=settings.read_seconds, write_seconds=settings.write_seconds,
                retry_seconds=settings.retry_seconds, user_seconds=settings.user_seconds,
            )  # fmt: skip
            service = app.state.service = Service(settings, guarded)
            opening = asyncio.create_task(_open_model(service))
            if settings.workers > 1:
                # Workers share a port: one that accepted before it can answer would refuse what another could do.
                await opening
            yield
            await opening

    app = FastAPI(
        title="Towerbridge", summary="A multimodal two-tower recommendation service", version="1",
        lifespan=lifespan, redirect_slashes=False,
    )  # fmt: skip
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_middleware(LimitBody, max_bytes=settings.max_body_bytes)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; several workers share the port.

    Raises:
        NotReadyError, BundleError: there is no promoted bundle to serve.
    """
    import uvicorn

    from bundle.manifest import read_manifest
    from bundle.versions import current
    from serving.connection import WholeAnswers

    read_manifest(settings.bundle or current(settings.bundles))
    options: dict[str, Any] = {
        "host": settings.host, "port": settings.port, "access_log": False, "log_level": "info",
        "timeout_keep_alive": 30, "server_header": False, "proxy_headers": False, "http": WholeAnswers,
    }  # fmt: skip
    if settings.workers == 1:
        uvicorn.run(create_app(settings), **options)
        return
    # Workers are fresh processes that build the app for themselves: they get the settings by environment.
    os.environ.update(settings.environment())
    uvicorn.run("serving.app:create_app", factory=True, workers=settings.workers, **options)


def _open_store(settings: Settings) -> MongoLiveStore:
    assert settings.mongodb_uri is not None, "create_app checks it"
    selection = max(1, int(settings.read_seconds * 1000))
    return MongoLiveStore.open(settings.mongodb_uri, database_name(settings.dataset), selection)


async def _open_model(service: Service) -> None:
    try:
        service.loaded = await asyncio.to_thread(Model.open, service.settings)
    except RecommenderError as exc:
        service.reason = str(exc)
        log.error("not ready: %s", exc)
    except Exception as exc:
        service.reason = f"opening the model failed: {type(exc).__name__}: {exc}"
        log.exception("not ready")


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with problems where FastAPI documents its own shape of validation errors."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        template = "#/components/schemas/{model}"
        problem = problems.Problem.model_json_schema(ref_template=template)
        schemas |= problem.pop("$defs")
        schemas["Problem"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema
