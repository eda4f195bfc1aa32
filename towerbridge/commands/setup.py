"""`towerbridge config` and `towerbridge doctor`: what can be set, and what this machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from catalog.errors import ConfigError
from towerbridge.options import JsonOption, settings


def show_config(
    ctx: typer.Context,
    current: Annotated[
        bool, typer.Option("--current", help="the values in force here, not the defaults")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="write it there; a file that exists stays")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a towerbridge.toml with every key, its meaning and its default."""
    from towerbridge import config
    from towerbridge.output import note, print_json

    if current or as_json:
        print_json(settings(ctx).model_dump(mode="json"))
    elif output is None:
        print(config.commented(), end="")
    else:
        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(config.commented())
        except FileExistsError:
            raise ConfigError(
                f"{output} exists already; remove it first, or choose another --output"
            ) from None
        except OSError as error:
            raise ConfigError(f"{output} cannot be written: {error}") from error
        note(f"wrote {output}")


def doctor(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Look whether this machine has what the chain needs, and say what to do where it has not."""
    from towerbridge.checkup import checks
    from towerbridge.output import print_json, table

    found = checks(settings(ctx))
    if as_json:
        report: dict[str, Any] = {each.name: {"ok": each.ok, "found": each.found} for each in found}
        print_json({"healthy": all(each.ok or not each.needed for each in found), "checks": report})
    else:
        states = [("ok" if each.ok else "missing" if each.needed else "none") for each in found]
        rows = [(each.name, state, each.found) for each, state in zip(found, states, strict=True)]
        table(("what", "state", "found"), rows)
    if not all(each.ok for each in found if each.needed):
        raise typer.Exit(2)
