"""Assembles the commands and turns whatever ends them into one message and an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, cast

import typer

from devenv.cli.commands import creation, environment, inspection, loading, project, tracing
from devenv.cli.globals import callback, hoist
from devenv.cli.output import Output, Style
from devenv.errors import DevenvError, InternalError, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# typer has shipped click inside and outside of itself; this base class is reached the same way in both.
ClickException = cast(
    "type[Exception]", next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
)

app = typer.Typer(
    name="devenv",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback(epilog="Global options are taken before and after the command.")(callback)
environment.register(app)
loading.register(app)
inspection.register(app)
tracing.register(app)
project.register(app)
creation.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; never a traceback without ``--debug``."""
    hoisted = hoist(arguments)
    output = Output.for_process(Style(json="--json" in hoisted, plain="--plain" in hoisted))
    debug = "--debug" in hoisted
    try:
        result = app(args=hoisted, prog_name="devenv", standalone_mode=False)
    except DevenvError as error:
        return _failed(error, output, debug)
    except KeyboardInterrupt:
        return _failed(Interrupted("interrupted"), output, debug)
    except (typer.Abort, typer.Exit) as ended:
        return getattr(ended, "exit_code", 130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, as `| head` does; there is nobody to tell
        return 0
    except ClickException as error:
        hint = "devenv --help lists commands and options"
        return _failed(UsageError(_words_of(error), hint=hint), output, debug)
    except Exception as error:  # noqa: BLE001 - the last line of defence: every bug becomes one message and code 70
        return _failed(_bug(error), output, debug)
    return result if isinstance(result, int) else 0


def _words_of(error: Exception) -> str:
    """What is wrong with the command line; click's exceptions keep it in ``format_message``."""
    spell_out = getattr(error, "format_message", None)
    return str(spell_out()) if callable(spell_out) else str(error)


def _bug(error: Exception) -> InternalError:
    bug = InternalError(
        f"a bug of devenv's: {type(error).__name__}: {error}",
        hint="run it again with --debug and report what it prints",
    )
    bug.__cause__ = error
    return bug


def _failed(error: DevenvError, output: Output, debug: bool) -> int:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    output.error(error)
    return error.exit_code
