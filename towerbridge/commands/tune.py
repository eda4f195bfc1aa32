"""`towerbridge tune`: better knobs for a data set, found on validation within a time budget."""

from __future__ import annotations

from typing import Annotated

import typer

from towerbridge.options import DatasetOption, DeviceOption, JsonOption, SeedOption, settings


def tune(
    ctx: typer.Context,
    dataset: DatasetOption = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0, help="time for all of the search")] = 30,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="at most so many for each model")
    ] = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for knobs that suit the data set better; `towerbridge train` uses what is found.

    Chosen on validation, never on test: towers, order and rating in turn. A second search goes on where the first
    one ended. What does not hold from another seed is not kept.
    """
    from towerbridge import learning
    from towerbridge.output import note, print_json, table
    from towerbridge.progress import progress
    from towerbridge.workspace import Workspace

    workspace = Workspace(settings(ctx, dataset=dataset, device=device, train__seed=seed))
    with workspace.stores() as (store, embeddings), progress() as bars:
        found = learning.tune(workspace, store, embeddings, bars, note, minutes, trials)
    kept = any(each.holds for each in found)
    if as_json:
        print_json({
            "dataset": workspace.dataset,
            "models": [
                {"model": each.model, "trials": each.trials, "before": each.before, "best": each.best,
                 "confirmed": each.confirmed, "holds": each.holds, "knobs": dict(each.knobs)}
                for each in found
            ],
            "knobs": str(workspace.tuned) if kept else None,
        })  # fmt: skip
        return
    head = ("model", "trials", "before", "best", "before, other seed", "best, other seed", "kept")
    table(
        head,
        [
            (each.model, each.trials, each.before, each.best, *(each.confirmed or (None, None)), each.holds)
            for each in found
        ],
        f"{workspace.dataset}, validation (NDCG@10, for ratings the negative RMSE)",
    )
    for each in found:
        if each.holds:
            table((each.model, "knob"), list(each.knobs.items()))
    if kept:
        print(f"written to {workspace.tuned}, which `towerbridge train` reads; remove it to go back")
    else:
        print("nothing better was found that holds from another seed; the knobs stay as they were")
