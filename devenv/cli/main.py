"""Assembles the commands and maps every error to one message and an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, cast

import typer

from devenv.cli.commands import environment, inspection, loading, project, running, scaffolding, tracing
from devenv.cli.globals import callback, hoist
from devenv.cli.output import Output, Style
from devenv.errors import DevenvError, InternalError, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# some versions of typer include click and others import it; the base class is found the same way in both
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
app.callback(epilog="Global options can go before or after the command.")(callback)
environment.register(app)
loading.register(app)
inspection.register(app)
tracing.register(app)
running.register(app)
project.register(app)
scaffolding.register(app)


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
        return getattr(ended, "exit_code", Interrupted.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has closed it, as `| head` does
        return 0
    except ClickException as error:
        hint = "see `devenv --help`"
        return _failed(UsageError(_words_of(error), hint=hint), output, debug)
    except Exception as error:  # noqa: BLE001 - the last resort: every bug becomes one message and code 70
        return _failed(_bug(error), output, debug)
    return result if isinstance(result, int) else 0


def _words_of(error: Exception) -> str:
    """The message of a click exception, from its ``format_message``."""
    spell_out = getattr(error, "format_message", None)
    return str(spell_out()) if callable(spell_out) else str(error)


def _bug(error: Exception) -> InternalError:
    bug = InternalError(
        f"internal error: {type(error).__name__}: {error}",
        hint="run again with --debug and report the output",
    )
    bug.__cause__ = error
    return bug


def _failed(error: DevenvError, output: Output, debug: bool) -> int:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    output.error(error)
    return error.exit_code
