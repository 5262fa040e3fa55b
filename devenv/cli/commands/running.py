"""``devenv run``: replaces itself with the user's program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devenv.cli.globals import Globals

EPILOG = "Example: devenv run -- uvicorn shop.app:app"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("run", context_settings={"allow_interspersed_args": False}, epilog=EPILOG)(run)


def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command and its arguments.")],
    config: Annotated[
        Path | None,
        typer.Option(help="config.yaml to read the tracing section from (DEVENV_TRACING_CONFIG).", metavar="FILE"),
    ] = None,
    service_name: Annotated[
        str,
        typer.Option(
            help="Service name in traces. "
            "Default: OTEL_SERVICE_NAME, the name in the config file, or a name derived from CMD.",
            metavar="NAME",
        ),
    ] = "",
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Library not to trace (flask, httpx, sqlite3, …). Repeatable.", metavar="LIBRARY"),
    ] = None,
) -> None:
    """Run an existing Python program with tracing, without code changes.

    The service is named after the module, script or program (python -m
    shop.web: shop.web; uvicorn shop.app:app: shop), or after the directory if
    that name is generic (python app.py).

    Traces go to the trace backend of the project running in this directory,
    else to http://127.0.0.1:4318. OTEL_* variables take precedence.

    The program replaces the devenv process in the current directory: terminal,
    signals and exit code are its own. It may use the Python of another virtual
    environment.
    """
    from devenv.app.traces import program as use_case
    from devenv.errors import UsageError
    from devenv.tracing.errors import LaunchError
    from devenv.tracing.launch.program import run as become

    state: Globals = context.obj
    program = use_case.prepared(
        state.invocation,
        command,
        directory=Path.cwd(),
        config=config,
        service_name=service_name,
        leave_out=leave_out or (),
    )
    for note in program.notes:
        state.output.note(f"devenv: {note}")
    try:
        become(program)
    except LaunchError as error:
        raise UsageError(error.message, hint=error.hint) from error
