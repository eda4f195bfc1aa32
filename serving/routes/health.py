"""`/health`, `/health/live`, `/health/ready`: for people, for restarts, for load balancers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from catalog.errors import StoreError
from serving.http.answers import json_answer
from serving.http.problems import RESPONSES, request_id
from serving.service import Service, service_of

router = APIRouter(tags=["health"])
NOT_READY: dict[int | str, dict[str, Any]] = {503: RESPONSES[503]}


@router.get("/health", summary="Whether the service answers", responses=NOT_READY)
async def health(request: Request) -> dict[str, str]:
    """`{"status": "healthy"}` once there is a model, and `refused`, where what was promoted is not what answers."""
    service = service_of(request)
    _ = service.model
    return {"status": "healthy", **_refused(service)}


@router.get("/health/live", summary="Whether the process is alive")
async def live() -> dict[str, str]:
    """Always answers; a process that does not should be restarted."""
    return {"status": "alive"}


@router.get("/health/ready", summary="Whether to send requests here", responses=NOT_READY)
async def ready(request: Request) -> Response:
    """The model that answers and whether the store does; 503 with the reason before there is a model.

    Without the store the service stays ready: reads are answered from the bundle alone, marked degraded. With
    `refused`, a promoted version that does not verify, it stays so too: the one before it goes on.
    """
    service = service_of(request)
    model = service.model
    body: dict[str, Any] = {
        "status": "ready", "model_version": model.bundle.version, "store": "up", **_refused(service),
    }  # fmt: skip
    try:
        await service.store.ping()
    except StoreError as exc:
        body |= {"store": "down", "reason": str(exc)}
    return json_answer(body, request_id(request))


def _refused(service: Service) -> dict[str, str]:
    """The promoted version where it is not taken; why is for administrators, because it names files."""
    refused = service.succession.refused
    return {"refused": refused.version} if refused else {}
