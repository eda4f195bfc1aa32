"""`/v1/admin/…`: what the control room shows. For administrators."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from catalog.errors import StoreError
from serving.http.admin import FORBIDDEN, admin
from serving.http.answers import json_answer
from serving.http.inputs import PathId
from serving.http.problems import request_id
from serving.observe import overview
from serving.observe.chart import chart
from serving.observe.inspection import inspect
from serving.observe.runs import runs
from serving.routes.interactions import iso
from serving.service import Service, service_of

router = APIRouter(tags=["admin"], dependencies=[Depends(admin)])


@router.get(
    "/v1/admin/overview", response_model=dict[str, Any], responses=FORBIDDEN, summary="How the service does"
)
async def told(
    request: Request,
    days: Annotated[float, Query(ge=0.01, le=365, description="of what was shown")] = 1.0,
) -> Response:
    """Rates and latencies of the last minute over all workers, what was shown, and the state of the data."""
    service = service_of(request)
    model, stock = service.model, service.stock
    manifest = model.bundle.manifest
    seconds, lately = service.window.look()
    body = {
        "dataset": manifest.dataset, "model_version": manifest.version,
        "model_age_seconds": round(time.time() - manifest.created.timestamp(), 1),
        **overview.rates(service.counts, seconds, lately),
        "freshness": {
            "lag_seconds": stock.lag, "new_items": len(model.catalogue) - model.catalogue.now.bundled,
        },
        "shown": await _shown(service, days), "data": overview.data(model),
    }  # fmt: skip
    return json_answer(body, request_id(request))


@router.get(
    "/v1/admin/inspect", response_model=dict[str, Any], responses=FORBIDDEN, summary="One recommendation"
)
async def inspected(
    request: Request, user_id: PathId, limit: Annotated[int, Query(ge=1, le=100)] = 10
) -> Response:
    """Each stage of a user's recommendation: neighbours, proposals by source, scores by part, what was filtered."""
    service = service_of(request)
    known = await service.known(user_id)
    return json_answer(inspect(service.model, known, limit), request_id(request))


@router.get("/v1/admin/map", response_model=dict[str, Any], responses=FORBIDDEN, summary="Where items lie")
async def mapped(request: Request, limit: Annotated[int, Query(ge=1, le=20_000)] = 2000) -> Response:
    """A sample of the items on the plane in which their vectors differ most."""
    model = service_of(request).model
    return json_answer(await asyncio.to_thread(chart, model, limit), request_id(request))


@router.get(
    "/v1/admin/runs", response_model=dict[str, Any], responses=FORBIDDEN, summary="Trainings and jobs"
)
async def trained(request: Request) -> Response:
    """Training runs that are found on this machine, with their curves, and what the schedule did."""
    service = service_of(request)
    settings = service.settings
    found = await asyncio.to_thread(runs, settings.home / "runs" / settings.dataset)
    try:
        jobs = await asyncio.to_thread(service.registry.ledger.jobs)
    except StoreError:
        jobs = []
    listed = [
        {**asdict(job), "begun": iso(job.begun), "ended": None if job.ended is None else iso(job.ended)}
        for job in jobs
    ]
    return json_answer({"runs": found, "jobs": listed}, request_id(request))


async def _shown(service: Service, days: float) -> dict[str, Any] | None:
    """None where the store does not answer."""
    try:
        async with asyncio.timeout(service.settings.write_seconds):
            found = await service.showings.look(days)
    except (StoreError, TimeoutError):
        return None
    return await asyncio.to_thread(overview.shown, service.model, found, days)
