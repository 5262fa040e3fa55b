"""The command that starts a service's container, and the one that starts it with tracing."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from devenv.app.required_images import base_images, start_commands
from devenv.orchestrate.instrumentation.infrastructure import repository_name
from devenv.stack.dockerfile import command_line

if TYPE_CHECKING:
    from devenv.model.stack import Service

_PYTHON = frozenset({"python", "pypy", "uv", "uvicorn-gunicorn", "uvicorn-gunicorn-fastapi"})
_RUNNER = "python -m devenv.tracing --"


def start_command(service: Service) -> str | None:
    """The command line of a service, from its stack file and its Dockerfile; ``None`` if only its image contains it."""
    entrypoint, command = start_commands(service.build) if service.build is not None else (None, None)
    words = command_line(service, entrypoint, command)
    return shlex.join(words) if words else None


def traced_command(service: Service, command: str | None) -> str | None:
    """The command that starts a Python program with tracing; ``None`` for others, or if it is already traced.

    Args:
        service: its images tell the language if the command does not.
        command: from :func:`start_command`.
    """
    images = [*(base_images(service.build) if service.build else ()), service.image or ""]
    program = (command or "").split(" ")[0].rpartition("/")[2]
    if not (program.startswith("python") or any(repository_name(image) in _PYTHON for image in images)):
        return None
    if command is not None and ("devenv.tracing" in command or "devenv run" in command):
        return None
    return f"{_RUNNER} {command or 'CMD...'}"
