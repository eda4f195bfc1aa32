"""The command line: one verb a stage of the chain, and `demo` for all of them.

Nothing heavy is imported here or by `towerbridge.commands`; each command imports what it runs when it runs,
so that `--help` answers at once and `serve` never loads a training framework.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from catalog.errors import RecommenderError
from towerbridge import __version__, quiet
from towerbridge.commands import data, learn, models, serving, setup
from towerbridge.commands.demo import demo
from towerbridge.options import Globals

USAGE_EXIT = 2
INTERRUPT_EXIT = 130
TERMINATED_EXIT = 143


class Commands(TyperGroup):
    """The one place where an error becomes a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; `--debug` lets the stack trace through."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _leave("interrupted", INTERRUPT_EXIT)
        except RecommenderError as error:
            if ctx.params.get("debug"):
                raise
            _leave(str(error), USAGE_EXIT)
        except BrokenPipeError:
            # The reader of our output went away, as `| head` does: not a failure, and nobody to tell.
            sys.stdout = None
            raise typer.Exit(0) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Multimodal two-tower recommendations, from raw files to a ranked answer over HTTP.",
)
for panel, commands in {
    "Everything at once": {"demo": demo},
    "The chain, step by step": {
        "import": data.import_, "validate": data.validate, "embed": learn.embed, "train": learn.train,
        "build": learn.build, "evaluate": learn.evaluate, "serve": serving.serve,
        "recommend": serving.recommend,
    },
    "Models": {"models": models.models, "promote": models.promote, "rollback": models.rollback},
    "This machine": {"stats": data.stats, "config": setup.show_config, "doctor": setup.doctor},
}.items():  # fmt: skip
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(command)


@app.callback()
def _globals(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar="TOWERBRIDGE_CONFIG", help="settings file; else ./towerbridge.toml", metavar="FILE"
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show stack traces and the libraries' own messages")] = False,
    version: Annotated[bool, typer.Option("--version", help="print the version and end")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    ctx.obj = Globals(config)
    if not debug:
        quiet.libraries()


def main() -> None:
    """The console script: exit code 0, 2 for what you can mend, 130 on Ctrl-C, 143 when told to stop."""
    signal.signal(signal.SIGTERM, _terminated)
    app(prog_name="towerbridge")


def _terminated(*_: object) -> NoReturn:
    # An exception rather than the default death, so that open blocks end: the embedded mongod is stopped.
    raise SystemExit(TERMINATED_EXIT)


def _leave(message: str, code: int) -> NoReturn:
    print(f"towerbridge: {message}", file=sys.stderr)
    raise typer.Exit(code)
