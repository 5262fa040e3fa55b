"""Assembles the commands and maps every error to one message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperGroup

from devenv.cli.commands import (
    agents,
    analysis,
    environment,
    inspection,
    loading,
    project,
    running,
    scaffolding,
    tracing,
    viewing,
)
from devenv.cli.globals import VALUED, callback, hoist
from devenv.cli.output import Output, Style
from devenv.cli.streams import PipeClosed, StreamFailure, closed_stream, guarded_streams, not_writable
from devenv.errors import DevenvError, EnvironmentFailure, InternalError, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# some versions of typer include click and others import it; the base class is found the same way in both
ClickException = cast(
    "type[Exception]", next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
)

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
"""Reasons of errors that no bug has: a full, read-only or broken disk, too many open files."""


class Commands(TyperGroup):
    """The commands; a Ctrl-C before the event loop runs one is told, where typer would end without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the context names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None


app = typer.Typer(
    cls=Commands,
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
analysis.register(app)
viewing.register(app)
running.register(app)
agents.register(app)
project.register(app)
scaffolding.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; never a traceback without ``--debug``."""
    hoisted = hoist(arguments)
    style = Style(json="--json" in hoisted, plain="--plain" in hoisted)
    closed = closed_stream()
    if closed:  # every file that is opened would take its place and be written to
        return _without_stream(closed, style)
    with guarded_streams() as (out, err):
        output = Output.for_process(style)
        debug = "--debug" in hoisted
        try:
            code = _outcome(hoisted, output, debug)
            out.flush()
        except PipeClosed:
            code = 0
        except StreamFailure as error:
            code = _failed(error, replace(output, style=Style()), debug)
        err.flush()
        if err.failure is None:
            return code
        if not style.json:
            out.write(f"devenv: {err.failure.message}\n")
            out.flush()
        return code or err.failure.exit_code


def _outcome(arguments: Sequence[str], output: Output, debug: bool) -> int:
    try:
        result = app(args=arguments, prog_name="devenv", standalone_mode=False)
    except (PipeClosed, StreamFailure):
        raise
    except DevenvError as error:
        return _failed(error, output, debug)
    except KeyboardInterrupt:
        return _failed(Interrupted("interrupted"), output, debug)
    except (typer.Abort, typer.Exit) as ended:
        return getattr(ended, "exit_code", Interrupted.exit_code)
    except ClickException as error:
        return _failed(UsageError(_words_of(error), hint=f"see `{_command_path(arguments)} --help`"), output, debug)
    except OSError as error:
        return _failed(_file_failure(error), output, debug)
    except Exception as error:  # noqa: BLE001 - the last resort: every bug becomes one message and code 70
        return _failed(_bug(error), output, debug)
    return result if isinstance(result, int) else 0


def _without_stream(closed: str, style: Style) -> int:
    """Refuse to run without stdout or stderr; the other one, if there is one, says so."""
    error = not_writable(closed, "it is closed")
    other = sys.stderr if closed == "stdout" else sys.stdout
    if other is not None:
        style = style if closed == "stderr" else Style()
        with suppress(OSError):
            Output(style=style, stdout=other, stderr=other, live=False, colour=False).error(error)
            other.flush()
    return error.exit_code


def _command_path(arguments: Sequence[str]) -> str:
    """The command that a command line is about, such as ``devenv traces show``."""
    command: object = typer.main.get_command(app)
    path = ["devenv"]
    words = iter(arguments)
    for word in words:
        if word in VALUED:
            next(words, None)
        elif not word.startswith("-"):
            command = getattr(command, "commands", {}).get(word)
            if command is None:
                break
            path.append(word)
    return " ".join(path)


def _file_failure(error: OSError) -> DevenvError:
    """The error for a file of the project or the machine that no edge translated; another one is a bug."""
    if error.filename is None and error.errno not in _OF_THE_DISK:
        return _bug(error)
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "a file"
    failure = EnvironmentFailure(
        f"cannot use {place}: {error.strerror}",
        hint="check that it exists, its owner and permissions, and the free space of its disk",
    )
    failure.__cause__ = error
    return failure


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
        for part in traceback.format_exception(error):
            for line in part.rstrip("\n").split("\n"):
                output.warn(line)
    output.error(error)
    return error.exit_code
