"""`towerbridge serve` and `recommend`: answers over HTTP, or one answer at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from towerbridge.options import DatasetOption, JsonOption, settings

if TYPE_CHECKING:
    from serving.settings import Settings
    from towerbridge.workspace import Workspace


def serve(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    host: Annotated[str | None, typer.Option("--host", help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option("--port", help="port to listen on")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="processes that answer")] = None,
) -> None:
    """Answer over HTTP with the version that serves."""
    import logging

    from serving.app import serve
    from towerbridge.workspace import Workspace

    logging.getLogger("serving").setLevel(logging.INFO)
    workspace = Workspace(
        settings(ctx, dataset=dataset, serve__host=host, serve__port=port, serve__workers=workers)
    )
    with workspace.server() as uri:
        serve(_service_settings(workspace, uri))


def recommend(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(help="id of a user; somebody unknown gets an answer too")],
    dataset: DatasetOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="how many items")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Recommend items to one user, as the service would."""
    import asyncio

    from towerbridge.output import print_json, table
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset))
    with workspace.server() as uri:
        answer = asyncio.run(_answer(_service_settings(workspace, uri), user, limit))
    if as_json:
        print_json(answer)
        return
    print(f"{workspace.dataset}, model {answer['model_version']}, user {user!r}")
    rows = []
    for item in answer["items"]:
        because = item.get("explanation") or {}
        like = f"{because['title'] or because['item_id']} ({because['similarity']:.2f})" if because else None
        rows.append((item["item_id"], item["metadata"].get("title"), item["score"], item["source"], like))
    table(("item", "title", "score", "source", "like"), rows)


async def _answer(settings: Settings, user: str, limit: int) -> dict[str, Any]:
    """The body that the service would send."""
    import json
    import time
    import uuid

    from serving.http.answers import ranked_items, ranked_list
    from serving.recommend.query import Query
    from serving.service import opened

    async with opened(settings) as service:
        await service.start()
        began = time.perf_counter()
        known, model = await service.known(user), service.model
        ranked = model.pipeline.recommend(model.state(known), Query(limit, explain=True))
        items = ranked_items(model.catalogue, ranked)
        took = time.perf_counter() - began
        answer = ranked_list(model.bundle, user, items, str(uuid.uuid4()), took, known.failed + ranked.failed)
    body: dict[str, Any] = json.loads(bytes(answer.body))
    return body


def _service_settings(workspace: Workspace, uri: str) -> Settings:
    from serving.settings import Settings

    given: dict[str, Any] = workspace.config.serve.model_dump()
    return Settings(
        home=workspace.home, dataset=workspace.dataset, mongodb_uri=uri, admin_key=workspace.config.admin_key, **given
    )  # fmt: skip
