"""`towerbridge serve` and `recommend`: answers over HTTP, or one answer at the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from towerbridge.options import DatasetOption, JsonOption, settings


def serve(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    host: Annotated[str | None, typer.Option("--host", help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option("--port", help="port to listen on")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="processes that answer")] = None,
) -> None:
    """Answer over HTTP with the version that serves."""
    from towerbridge.workspace import Workspace

    workspace = Workspace(
        settings(ctx, dataset=dataset, serve__host=host, serve__port=port, serve__workers=workers)
    )
    raise NotImplementedError(workspace)


def recommend(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(help="id of a user, known or not")],
    dataset: DatasetOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many items")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Recommend items to one user, as the service would."""
    raise NotImplementedError
