"""`GET /v1/models`, promote and rollback: the registry, and which version answers. For administrators."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from bundle import versions
from bundle.registry import Model
from catalog.errors import BundleError, ConfigError
from serving.http.admin import FORBIDDEN, admin
from serving.http.answers import json_answer
from serving.http.problems import problem, request_id
from serving.routes.interactions import iso
from serving.service import service_of

router = APIRouter(tags=["admin"], dependencies=[Depends(admin)])
REFUSED: dict[int | str, dict[str, Any]] = {
    **FORBIDDEN,
    404: {**FORBIDDEN[403], "description": "There is no such version."},
    409: {**FORBIDDEN[403], "description": "It does not verify, or there is none; the old one goes on."},
}


class ModelChange(BaseModel):
    """One step in the life of a version."""

    at: str
    state: str
    by: str
    reason: str


class ModelOut(BaseModel):
    """One version."""

    version: str
    state: str = Field(description="candidate, serving, retired or refused")
    reason: str = Field(description="why, where somebody said")
    created: str | None = Field(description="null where its folder is gone or cannot be read")
    counts: dict[str, int] | None
    rank_by: str | None = Field(
        description="what orders recommendations: ranker, retrieval, or one source alone"
    )
    metrics: dict[str, Any] = Field(description="offline figures")
    changes: list[ModelChange] = Field(description="oldest first")


class RefusedOut(BaseModel):
    """The promoted version, where it is not taken."""

    version: str
    reason: str


class ModelsOut(BaseModel):
    """The registry."""

    dataset: str
    promoted: str | None = Field(description="what workers answer with, or are about to")
    answering: str | None = Field(description="what the worker that wrote this answers with")
    refused: RefusedOut | None = Field(
        description="why that is not what is promoted, where it does not verify"
    )
    models: list[ModelOut] = Field(description="oldest first")


class Switched(BaseModel):
    """Which version answers now."""

    version: str
    before: str | None = Field(description="the one that was promoted until now")


@router.get("/v1/models", response_model=ModelsOut, responses=FORBIDDEN, summary="All model versions")
async def models(request: Request) -> Response:
    """Every version on disk or in the registry, with its offline figures and its story."""
    service = service_of(request)
    found = await asyncio.to_thread(service.registry.models)
    body = {
        "dataset": service.settings.dataset,
        "promoted": versions.serving(service.settings.bundles),
        "answering": service.online.model.bundle.version if service.online else None,
        "refused": asdict(service.succession.refused) if service.succession.refused else None,
        "models": [described(model) for model in found],
    }
    return json_answer(body, request_id(request))


@router.post("/v1/models/rollback", response_model=Switched, responses=REFUSED, summary="Go back to the last")
async def rollback(request: Request) -> Response:
    """Answer with the version that served before this one, in every worker; nothing is restarted."""
    service = service_of(request)
    try:
        before = await service.succession.rollback()
    except (BundleError, ConfigError) as exc:
        return problem(request, 409, str(exc))
    return _switched(request, before)


@router.post(
    "/v1/models/{version}/promote", response_model=Switched, responses=REFUSED, summary="Let a version serve"
)
async def promote(request: Request, version: str) -> Response:
    """Open and verify a version beside the present one, then answer with it, in every worker.

    The worker that is asked has switched when it answers, the others follow within seconds. A version that does not
    verify is refused with the reason, which the registry keeps; the present one goes on.
    """
    service = service_of(request)
    try:
        if version not in versions.names(service.settings.bundles):
            return problem(request, 404, f"there is no model {version!r}; GET /v1/models lists what there is")
        before = await service.succession.promote(version)
    except (BundleError, ConfigError) as exc:
        return problem(request, 409, str(exc))
    return _switched(request, before)


def described(model: Model) -> dict[str, Any]:
    """The body of a ModelOut."""
    manifest = model.manifest
    return {
        "version": model.version, "state": model.state, "reason": model.reason,
        "created": iso(manifest.created.timestamp()) if manifest else None,
        "counts": manifest.counts.model_dump() if manifest else None,
        "rank_by": manifest.rank_by if manifest else None,
        "metrics": model.metrics,
        "changes": [
            {"at": iso(one.at), "state": one.state, "by": one.by, "reason": one.reason}
            for one in model.changes
        ],
    }  # fmt: skip


def _switched(request: Request, before: str | None) -> Response:
    promoted = versions.serving(service_of(request).settings.bundles)
    return json_answer({"version": promoted, "before": before}, request_id(request))
