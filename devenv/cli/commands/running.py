"""``devenv run``: becomes a program of the user's own."""

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
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command and its arguments.")],
    config: Annotated[
        Path | None,
        typer.Option(help="A config.yaml; its tracing section is read (DEVENV_TRACING_CONFIG).", metavar="FILE"),
    ] = None,
    service_name: Annotated[
        str, typer.Option(help="Its name in traces; by default OTEL_SERVICE_NAME, the config's, or made from CMD.")
    ] = "",
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Do not trace this library (flask, httpx, sqlite3, …); repeat.", metavar="LIBRARY"),
    ] = None,
) -> None:
    """Run an existing Python program with tracing set up and no code change.

    It is named after its module, script or program (python -m shop.web:
    shop.web; uvicorn shop.app:app: shop), or after the directory where that
    says nothing (python app.py).

    Traces go to the backend of the project that is up here, else to
    http://127.0.0.1:4318; OTEL_* variables that are set win.

    It runs in the current directory and takes devenv's place: terminal,
    signals and exit code are its own. Its Python may be another environment's.
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
