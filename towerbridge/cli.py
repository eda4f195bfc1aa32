"""The command line: one verb a stage of the chain, and `demo` for all of them.

Nothing heavy is imported here or by `towerbridge.commands`; each command imports what it runs when it runs,
so that `--help` answers at once and `serve` never loads a training framework.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from catalog.errors import RecommenderError
from towerbridge import __version__, quiet
from towerbridge.commands import archive, data, encode, learn, models, own, serving, setup
from towerbridge.commands.demo import demo
from towerbridge.commands.evaluate import evaluate
from towerbridge.commands.schedule import schedule
from towerbridge.commands.tune import tune
from towerbridge.options import Globals

BUG_EXIT = 1
USAGE_EXIT = 2
INTERRUPT_EXIT = 130
TERMINATED_EXIT = 143


class Commands(TyperGroup):
    """The command group; Ctrl-C while a command runs is an exit code, wherever it strikes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _leave("interrupted", INTERRUPT_EXIT)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its errors as one sentence and an exit code; `--debug` lets the stack trace through."""

    @functools.wraps(command)
    def run(ctx: typer.Context, *args: Any, **kwargs: Any) -> None:
        try:
            command(ctx, *args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            # The reader of our output went away, as `| head` does: not a failure, and nobody to tell.
            sys.stdout = None
            raise typer.Exit(0) from None
        except Exception as error:
            if ctx.obj.debug:
                raise
            _leave(*_told(error, ctx.info_name or "VERB"))

    return run


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Multimodal two-tower recommendations, from raw files to a ranked answer over HTTP.",
)
PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Everything at once": {"demo": demo},
    "The chain, step by step": {
        "init": own.init, "validate": own.validate, "import": data.import_, "embed": encode.embed,
        "tune-encoder": encode.tune_encoder,
        "train": learn.train, "tune": tune, "build": learn.build, "evaluate": evaluate, "serve": serving.serve,
        "recommend": serving.recommend,
    },
    "Models": {
        "models": models.models, "promote": models.promote, "rollback": models.rollback, "prune": models.prune,
        "schedule": schedule,
    },
    "This machine": {
        "stats": data.stats, "dump": archive.dump, "restore": archive.restore, "config": setup.show_config,
        "doctor": setup.doctor,
    },
}  # fmt: skip
for panel, commands in PANELS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(guarded(command))


def _told(error: Exception, verb: str) -> tuple[str, int]:
    """An error in one sentence, and its exit code."""
    if isinstance(error, RecommenderError):
        return str(error), USAGE_EXIT
    if isinstance(error, ModuleNotFoundError):
        needs = f"`{verb}` needs the package {error.name}, which is not installed"
        return f"{needs}: pip install 'towerbridge[train]' brings all that are needed", USAGE_EXIT
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"failed unexpectedly, {what}; `towerbridge --debug {verb}` shows where", BUG_EXIT


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _globals(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar="TOWERBRIDGE_CONFIG", help="settings file; else ./towerbridge.toml", metavar="FILE"
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="show stack traces and the libraries' own messages")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="print the version and end", is_eager=True, callback=_version)
    ] = False,
) -> None:
    ctx.obj = Globals(config, debug)
    if not debug:
        quiet.libraries()


def main() -> None:
    """The console script.

    Exit codes: 0; 1 where data is not clean or something unforeseen happened; 2 for what you can mend;
    130 on Ctrl-C; 143 when told to stop.
    """
    signal.signal(signal.SIGTERM, _terminated)
    # Before torch is loaded: threads that spin at OpenMP's barriers while others want the same cores made encoding
    # two to three times as slow (docs/LOG.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app(prog_name="towerbridge")


def _terminated(*_: object) -> NoReturn:
    # An exception rather than the default death, so that open blocks end: the embedded mongod is stopped.
    raise SystemExit(TERMINATED_EXIT)


def _leave(message: str, code: int) -> NoReturn:
    print(f"towerbridge: {message}", file=sys.stderr)
    raise typer.Exit(code)
