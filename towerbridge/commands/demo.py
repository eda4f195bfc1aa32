"""`towerbridge demo`: the whole chain on one data set, one table at the end, and then the service."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towerbridge.options import (
    DataOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    EventsOption,
    ItemsOption,
    JsonOption,
    ReplaceOption,
    SeedOption,
    UsersOption,
    settings,
)

if TYPE_CHECKING:
    from catalog.store import CatalogStore
    from towerbridge.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Stage:
    """One finished stage."""

    name: str
    seconds: float
    size: str


@dataclass(slots=True)
class Diary:
    """Announces each stage as it begins, and keeps what became of it."""

    total: int
    stages: list[Stage] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """A stage; call what is given with its size, in words, before it ends."""
        from towerbridge.output import duration, note

        note(f"[{len(self.stages) + 1}/{self.total}] {name} …")
        sizes: list[str] = []
        began = time.perf_counter()
        yield sizes.append
        self.stages.append(Stage(name, time.perf_counter() - began, sizes[-1]))
        note(f"      {duration(self.stages[-1].seconds)}: {sizes[-1]}")


def demo(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    data: DataOption = None,
    items: ItemsOption = None,
    users: UsersOption = None,
    events: EventsOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    epochs: EpochsOption = None,
    replace: ReplaceOption = False,
    port: Annotated[int | None, typer.Option("--port", help="where to serve afterwards")] = None,
    serve: Annotated[bool, typer.Option(help="serve when everything is built")] = True,
    as_json: JsonOption = False,
) -> None:
    """Import, embed, train, build, evaluate, and then serve: everything, in one go."""
    from towerbridge.output import print_json
    from towerbridge.workspace import Workspace

    config = settings(
        ctx, dataset=dataset, data=data, device=device, serve__port=port, train__epochs=epochs, train__seed=seed,
        simulated__items=items, simulated__users=users, simulated__events=events, simulated__seed=seed,
    )  # fmt: skip
    workspace = Workspace(config)
    if serve:
        _port_must_be_free(config.serve.host, config.serve.port)
    sized = any(value is not None for value in (items, users, events))
    diary, report, examples = _run(workspace, data, sized, replace)
    if as_json:
        stages = [{"stage": each.name, "seconds": each.seconds, "size": each.size} for each in diary.stages]
        print_json({"stages": stages, "evaluation": report})
    else:
        _show(diary, report)
    if serve:
        print(_curls(config.serve.port, *examples), flush=True)
        _become_the_service(ctx, config.dataset, config.serve.port)


def _run(
    workspace: Workspace, data: Path | None, sized: bool, replace: bool
) -> tuple[Diary, dict[str, Any], tuple[str, list[str]]]:
    """All stages on one open database; the diary, the evaluation, and a user and titles to ask about."""
    from towerbridge import encoding, learning, measure, stages
    from towerbridge.output import note
    from towerbridge.progress import progress

    diary = Diary(5)
    with workspace.stores() as (store, embeddings):
        with diary.stage("import") as size, progress() as bars:
            counts = stages.import_data(workspace, store, bars, data, sized, replace=replace).counts
            size(stages.counts_in_words(counts))
        with diary.stage("embed") as size, progress() as bars:
            size(encoding.embedded_in_words(encoding.embed(workspace, store, embeddings, bars)))
        with diary.stage("train") as size, progress() as bars:
            run = learning.train(workspace, store, embeddings, bars, go_on=True)
            size(stages.folder_in_words(run.folder))
        for sentence in learning.notes(run):
            note(f"      {sentence}")
        with diary.stage("build") as size, progress() as bars:
            path = learning.build(workspace, run.folder, bars, promote=True)
            size(f"{path.name}, {stages.folder_in_words(path)}")
        with diary.stage("evaluate") as size, progress() as bars:
            wanted = measure.Wanted(("next_item", "rating"), folds=1)
            report = measure.evaluate(workspace, store, embeddings, wanted, bars)
            size(", ".join(name.replace("_", " ") for name in report["protocols"]))
        return diary, report, _examples(store)


def _examples(store: CatalogStore) -> tuple[str, list[str]]:
    user = next((user.user_id for user in store.users()), "1")
    titles = [item.title for _, item in zip(range(3), store.items(), strict=False)]
    return user, titles


def _show(diary: Diary, report: dict[str, Any]) -> None:
    from towerbridge.commands.evaluate import show
    from towerbridge.output import duration, table

    rows = [(each.name, duration(each.seconds), each.size) for each in diary.stages]
    rows.append(
        ("all", duration(sum(each.seconds for each in diary.stages)), f"model {report['model_version']}")
    )
    print()
    table(("stage", "time", "size"), rows)
    show(report)


def _curls(port: int, user: str, titles: list[str]) -> str:
    import json
    import shlex
    from urllib.parse import quote

    base = f"http://127.0.0.1:{port}"
    ask = json.dumps({"user_id": user, "candidate_movies": titles}, ensure_ascii=False)
    return "\n".join([
        "", "Try, in another terminal:", "",
        f"  curl '{base}/v1/users/{quote(user, safe='')}/recommendations?limit=5'",
        f"  curl -H 'content-type: application/json' -d {shlex.quote(ask)} \\",
        f"      {base}/recommendation/ranked_recommendation",
        "", f"or open {base}/ for the shop, {base}/admin for the control room, {base}/docs for every call", "",
    ])  # fmt: skip


def _port_must_be_free(host: str, port: int) -> None:
    """Find out now, and not after everything was trained."""
    import socket

    from catalog.errors import ConfigError

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of {host} cannot be used ({error.strerror}); "
                "choose another with --port, or --no-serve"
            ) from error


def _become_the_service(ctx: typer.Context, dataset: str, port: int) -> None:
    """Replace this process, which has loaded the training frameworks, by a lean one that only serves."""
    command = [sys.executable, "-m", "towerbridge"]
    if ctx.obj.config_file is not None:
        command += ["--config", str(ctx.obj.config_file)]
    command += ["serve", "--dataset", dataset, "--port", str(port)]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)
