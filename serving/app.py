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
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import Route

from catalog.errors import ConfigError, RecommenderError
from catalog.store import LiveStore
from embeddings.store import EmbeddingStore
from serving.http import problems
from serving.http.limits import LimitBody
from serving.observe.counts import Counts
from serving.observe.traffic import Traffic
from serving.page import assets, dataset, lists, pictures
from serving.routes import (
    admin,
    health,
    interactions,
    items,
    metrics,
    models,
    rank,
    recommendations,
    search,
    similar,
    users,
)
from serving.service import Service, opened
from serving.settings import Settings
from serving.storefronts import movies, picture_posts, posts, retailer, shop, shop_events

log = logging.getLogger(__name__)
ROUTERS = (
    recommendations.router, retailer.router, posts.router, picture_posts.router, movies.router,
    rank.router, interactions.router, similar.router, search.router,
    shop.router, shop.under_v1, shop_events.router, pictures.router, dataset.router, lists.router,
    items.router, users.router, models.router, admin.router, metrics.router, health.router, assets.router,
)  # fmt: skip
"""In order: what is asked most comes first, as each route that does not match takes its microsecond; and a path that
ends in an id comes after those that go on behind one."""
UPLOADS = ("/v1/items", "/v1/search/image")
"""Beginnings of the paths that take pictures."""
STOP_SECONDS = 30
"""Longest wait, when told to stop, for requests that are being answered."""


def create_app(
    settings: Settings | None = None,
    *,
    store: LiveStore | None = None,
    embeddings: EmbeddingStore | None = None,
) -> FastAPI:
    """The ASGI application; nothing is opened before it starts.

    Args:
        settings: None reads them from the environment.
        store: instead of the configured MongoDB.
        embeddings: where content vectors are kept, beside a `store` that is given; in memory by default.

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
        counts = Counts(_routes(), settings.counts)
        async with opened(settings, store, embeddings, counts=counts) as service:
            app.state.service = service
            opening = asyncio.create_task(_start(service))
            if settings.workers > 1:
                # Workers share a port: one that accepted before it can answer would refuse what another could do.
                await opening
            yield
            await opening

    app = FastAPI(
        title="Towerbridge", summary="A multimodal two-tower recommendation service", version="1",
        lifespan=lifespan, redirect_slashes=False, docs_url=None, redoc_url=None,
    )  # fmt: skip
    for router in ROUTERS:
        # Their routes themselves: `include_router` adds routers within routers, to be walked with every request.
        app.router.routes.extend(router.routes)
    problems.install(app)
    app.add_middleware(
        LimitBody, max_bytes=settings.max_body_bytes,
        uploads=UPLOADS, max_upload_bytes=settings.max_upload_bytes, max_held_bytes=settings.max_held_bytes,
    )  # fmt: skip
    app.add_middleware(Traffic)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; several workers share the port.

    Raises:
        NotReadyError, BundleError: there is no bundle to serve.
    """
    import uvicorn

    from bundle.manifest import read_manifest
    from bundle.versions import in_turn
    from serving.http.connection import WholeAnswers

    if settings.bundle is not None:
        read_manifest(settings.bundle)
    else:
        in_turn(settings.bundles)
    options: dict[str, Any] = {
        "host": settings.host, "port": settings.port, "access_log": False, "log_level": "info",
        "timeout_keep_alive": 30, "server_header": False, "proxy_headers": False, "http": WholeAnswers,
        "ws": "none", "timeout_graceful_shutdown": STOP_SECONDS,
    }  # fmt: skip
    if settings.workers == 1:
        uvicorn.run(create_app(settings), **options)
        return
    # Workers are fresh processes that build the app for themselves: they get the settings by environment.
    with TemporaryDirectory(prefix="towerbridge-counts-") as folder:
        os.environ.update(settings.model_copy(update={"counts": Path(folder)}).environment())
        uvicorn.run("serving.app:create_app", factory=True, workers=settings.workers, **options)


def _routes() -> list[tuple[str, str]]:
    """Method and path of all that is answered."""
    return [
        (method, route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    ]


async def _start(service: Service) -> None:
    """Open the model; what goes wrong is the reason that every answer gives from then on."""
    try:
        await service.start()
    except RecommenderError as exc:
        service.succession.reason = str(exc)
        log.error("not ready: %s", exc)
    except Exception as exc:
        service.succession.reason = f"opening the model failed: {type(exc).__name__}: {exc}"
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
