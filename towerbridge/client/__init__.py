"""A typed client of the service: `Client` blocks, `AsyncClient` is awaited, both speak every `/v1` call.

    from towerbridge.client import Client, Interaction

    with Client("http://127.0.0.1:8000") as client:
        client.record(Interaction("17", "50", "rating", 5))
        for item in client.recommendations("17", limit=5, explain=True).items:
            print(item.item_id, item.score, item.metadata["title"])

Needs httpx and nothing else (`pip install 'towerbridge[client]'`).
"""

from towerbridge.client.calls import UNSET, Interaction
from towerbridge.client.clients import AsyncClient, Client
from towerbridge.client.errors import (
    AnswerError,
    ClientError,
    ElsewhereError,
    NotFoundError,
    ProblemError,
    RefusedError,
    UnavailableError,
    UnreachableError,
)

__all__ = [
    "UNSET",
    "AnswerError",
    "AsyncClient",
    "Client",
    "ClientError",
    "ElsewhereError",
    "Interaction",
    "NotFoundError",
    "ProblemError",
    "RefusedError",
    "UnavailableError",
    "UnreachableError",
]
