"""`/metrics`: what Prometheus reads."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from serving.observe.metrics import Exposition
from serving.service import service_of

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse, summary="Metrics for Prometheus")
async def metrics(request: Request) -> Response:
    """Counters, histograms and gauges of all workers, in Prometheus' text format, or OpenMetrics where asked for."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exposition(service_of(request)))
    return Response(await asyncio.to_thread(encode, registry), media_type=media_type)
