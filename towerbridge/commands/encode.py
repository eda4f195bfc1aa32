"""`towerbridge embed` and `tune-encoder`: texts and pictures as vectors, and an encoder of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from towerbridge.options import (
    DataOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    JsonOption,
    SeedOption,
    settings,
)


def embed(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    data: DataOption = None,
    device: DeviceOption = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="items encoded at once")
    ] = None,
    retry_failed: Annotated[bool, typer.Option(help="try again what could not be encoded before")] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn texts and pictures into vectors; what was encoded before is not encoded again.

    Stopped, it goes on where it was; several of them, on one MongoDB, share the work.
    """
    from towerbridge import encoding
    from towerbridge.output import duration, note, per_second, print_json, table
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    workspace = Workspace(
        settings(ctx, dataset=dataset, data=data, device=device, encoders__batch_size=batch_size)
    )
    with workspace.stores() as (store, embeddings), progress() as bars:
        found = encoding.embed(workspace, store, embeddings, bars, retry_failed)
    if as_json:
        print_json({"dataset": workspace.dataset, "modalities": encoding.embedded_as_json(found)})
        return
    head = ("modality", "encoder", "encoded", "reused", "without", "failed", "time", "rate")
    rows: list[tuple[object, ...]] = []
    for modality, (encoder, report) in found.items():
        if report is None:
            rows.append((modality, "none: masked", *[None] * 6))
            continue
        rows.append((
            modality, encoder, report.encoded, report.reused, report.without_content,
            report.failures + report.known_failures, duration(report.seconds),
            per_second(report.items_per_second) if report.encoded else None,
        ))  # fmt: skip
        for item_id, reason in report.failed[:5]:
            note(f"no {modality} vector for item {item_id!r}: {reason}")
    table(head, rows)


def tune_encoder(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    data: DataOption = None,
    device: DeviceOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME", help="a timm ViT to begin with, or `small`: one without weights"
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="how long it may take: fewer epochs then", min=0.1)
    ] = None,
    blocks: Annotated[
        int | None, typer.Option("--blocks", help="blocks that learn, from the top", min=1)
    ] = None,
    epochs: EpochsOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Align the image encoder with the text encoder on the catalogue's own pictures and texts.

    Afterwards texts find pictures and pictures find texts; `embed` uses it from then on.
    """
    from dataclasses import asdict, replace

    from embeddings.contrast import Course
    from towerbridge import encoding
    from towerbridge.output import duration, note, print_json, table
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset, data=data, device=device))
    course = Course()
    if minutes is not None:
        course = replace(course, minutes=minutes)
    if epochs is not None:
        course = replace(course, epochs=epochs)
    if seed is not None:
        course = replace(course, seed=seed)
    with workspace.stores() as (store, embeddings), progress() as bars:
        found, report = encoding.tune_encoder(workspace, store, embeddings, bars, course, model, blocks)
    if as_json:
        print_json({
            "dataset": workspace.dataset, "encoder": found.name, "folder": str(found.weights.path), **asdict(report),
        })  # fmt: skip
        return
    print(
        f"{found.name}: {report.pairs:,} pairs, {report.epochs} epochs in {duration(report.seconds)}, "
        f"{report.steps_per_second:.2f} steps/s"
    )
    table(
        (f"Recall@10 of {report.held_out:,} held-out pairs", "aligned", "by chance"),
        [
            ("text finds its picture", report.text_to_image_recall_at_10, report.chance),
            ("picture finds its text", report.image_to_text_recall_at_10, report.chance),
        ],
    )
    if workspace.config.encoders.image != "auto":
        note('set image = "auto" in [encoders] to use it')
    note("run `towerbridge embed` to give the pictures their new vectors, then train and build")
