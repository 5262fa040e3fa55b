"""The lines that start tracing in a stack without any, to be pasted into a shell or the stack file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from devenv.app.start_command import start_command, traced_command
from devenv.app.traces.called_services import traced_services
from devenv.stack.edit import scalar

if TYPE_CHECKING:
    from devenv.contract.capabilities import Capabilities
    from devenv.model.stack import Service, Stack

_PYTHON_SERVERS = frozenset({"python", "uvicorn", "gunicorn", "hypercorn", "flask", "granian", "daphne"})


def first_tracing(stack: Stack, capabilities: Capabilities) -> list[str]:
    """Return commands, and lines for the stack file under a comment with their place.

    Args:
        stack: as resolved from its files.
        capabilities: of the engine that it runs on.
    """
    file = stack.files[0].name
    services = [stack.services[name] for name in traced_services(stack)]
    found = {service.name: line for service in services if (line := _command(service, capabilities))}
    lines: list[str] = []
    if stack.x.entrypoint is None or (found and not capabilities.processes):
        library = " --library" if found and not capabilities.processes else ""
        lines.append(f"devenv init --from {shlex.quote(file)}{library}")
    for service in services:
        if service.name in found:
            key = f"services.{service.name}" + (".x-devenv.process" if capabilities.processes else "")
            lines += [f"# {_place(service, file)}: {key}", f"command: {scalar(found[service.name])}"]
            if not capabilities.processes and (command := start_command(service)):
                lines += [f"devenv run --service-name {shlex.quote(service.name)} -- {command}"]
        else:
            lines.append(f"# {_place(service, file)}: set up the OpenTelemetry SDK in {service.name}")
    return lines


def _command(service: Service, capabilities: Capabilities) -> str | None:
    """The traced command of a Python service; ``None`` for others."""
    if not capabilities.processes:
        return traced_command(service, start_command(service))
    words = service.x.process.command if service.x.process else ""
    command = words if isinstance(words, str) else shlex.join(words)
    program = command.partition(" ")[0].rpartition("/")[2]
    python = program.startswith("python") or program in _PYTHON_SERVERS
    return f"devenv run -- {command}" if python else None


def _place(service: Service, file: str) -> str:
    return f"{file}:{service.location.line}" if service.location.line else file
