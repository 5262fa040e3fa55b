"""``devenv run``: runs a user's program with tracing to the running project."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from devenv.app.engines import engines_of
from devenv.app.record import STATE, read_record
from devenv.app.session import running
from devenv.app.urls import trace_backend
from devenv.errors import ConfigurationError, DevenvError, Location, UsageError
from devenv.model.identity import identify
from devenv.tracing.errors import ConfigError, LaunchError
from devenv.tracing.launch.program import Program, answers, prepare, recorded_endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from devenv.app.invocation import Invocation

ENGINE_TIMEOUT = 2.0
"""Seconds to wait for the engine to return the trace backend's URL; then the program starts without it."""


def prepared(
    invocation: Invocation,
    command: Sequence[str],
    *,
    directory: Path,
    config: Path | None = None,
    service_name: str = "",
    leave_out: Sequence[str] = (),
) -> Program:
    """Prepare the program and the environment in which it traces itself.

    Raises:
        UsageError: If the command does not exist.
        ConfigurationError: If the tracing configuration is not valid, or a name in ``leave_out`` is unknown.
    """
    try:
        return prepare(
            command,
            environ=invocation.environ,
            directory=directory,
            config=config,
            service_name=service_name,
            leave_out=leave_out,
            endpoint=otlp_endpoint(invocation),
        )
    except LaunchError as error:
        raise UsageError(error.message, hint=error.hint) from error
    except ConfigError as error:
        raise _translated(error) from error


def otlp_endpoint(invocation: Invocation) -> str:
    """URL of the OTLP receiver of the running project; empty if none is known.

    The URL that ``up`` recorded is used if it responds. Else the engine is asked, because the port may have changed, or
    the record was removed while the project runs. For a directory without ``.devenv``, no engine is asked. A slow or
    missing engine is neither waited for nor reported: ``status`` reports what is wrong with the project.
    """
    recorded = recorded_endpoint(invocation.directory)
    if (recorded and answers(recorded)) or not (invocation.directory / STATE).is_dir():
        return recorded
    has_record = read_record(invocation.directory) is not None
    found: list[str] = []

    def ask() -> None:
        try:
            if has_record or asyncio.run(engines_of(identify(invocation.directory), invocation.environ)):
                found.append(asyncio.run(_from_engine(invocation)))
        except DevenvError:
            return

    asking = threading.Thread(target=ask, daemon=True)  # has its own event loop, which may outlast the time limit
    asking.start()
    asking.join(ENGINE_TIMEOUT)
    return (found[0] if found else "") or recorded


async def _from_engine(invocation: Invocation) -> str:
    async with running(invocation) as project:
        backend = await trace_backend(project.engine, project.observed, project.record.trace_backend)
    return backend.otlp_http_url if backend else ""


def _translated(error: ConfigError) -> ConfigurationError:
    place = Location(error.source, error.line, error.column)
    text = f"{error.key}: found {error.found}, expected {error.expected}" if error.key else error.found
    return ConfigurationError(
        text,
        location=place,
        key=error.key,
        found=error.found,
        expected=error.expected,
        hint=f"did you mean {error.suggestion!r}?" if error.suggestion else "",
    )
