"""What devenv sees in the services of a stack, and would do with them: for a project that is new to it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from devenv.app.required_images import base_images, start_commands
from devenv.app.scaffold.infrastructure import image_of, infrastructure_kind, repository_name
from devenv.model.scaffold import InitServicePart
from devenv.orchestrate.instrument import instrument
from devenv.stack.edit import scalar

if TYPE_CHECKING:
    from devenv.app.scaffold.infrastructure import Kind
    from devenv.model.scaffold import InitTracing
    from devenv.model.stack import Service, Stack

_ENDPOINTS = frozenset({"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"})
_PYTHON = frozenset({"python", "pypy", "uv", "uvicorn-gunicorn", "uvicorn-gunicorn-fastapi"})
_OFF = "x-devenv: { instrument: false }"
_NO_IMAGES = "the process engine runs no images: x-devenv.process would have to say what it starts instead"
_RUNNER = "python -m devenv.tracing --"


def survey(stack: Stack) -> list[InitServicePart]:
    """One part for each service, in the stack's order.

    Raises:
        ConfigurationError: tracing cannot be added to the stack.
    """
    traced = instrument(stack, backend="jaeger")
    stated = traced.warnings[len(stack.warnings) :]
    return [
        _part(
            stack, service, traced.services[service.name], [w.message for w in stated if w.location == service.location]
        )
        for service in stack.services.values()
    ]


def _part(stack: Stack, service: Service, traced: Service, warnings: list[str]) -> InitServicePart:
    kind = infrastructure_kind(service)
    tracing = _tracing(stack, service, kind)
    of_ones_own = tracing not in {"trace-backend", "infrastructure"}
    command = start_command(service)
    return InitServicePart(
        name=service.name,
        tracing=tracing,
        image=image_of(service),
        added=sorted(set(traced.environment) - set(service.environment)),
        own=sorted(name for name in service.environment if name.startswith("OTEL_")),
        traced_command=_traced_command(service, command) if of_ones_own else None,
        process=_process(command) if of_ones_own and service.x.process is None else None,
        notes=[*_notes(service, kind, tracing), *warnings],
    )


def _tracing(stack: Stack, service: Service, kind: Kind | None) -> InitTracing:
    backend = stack.trace_backend
    if backend is not None and backend.name == service.name:
        return "trace-backend"
    if not service.x.instrument:
        return "off"
    if kind is not None:
        return "infrastructure"
    return "own" if _ENDPOINTS & service.environment.keys() else "added"


def _notes(service: Service, kind: Kind | None, tracing: InitTracing) -> list[str]:
    if tracing == "infrastructure" and kind == "collector":
        take = "x-devenv: { role: trace-backend }"
        return [f"a collector of telemetry: `{take}` where it is the one that takes the traces, else `{_OFF}`"]
    if tracing == "infrastructure":
        found = [f"a {kind} by its image: `{_OFF}` leaves its environment alone"]
        return (
            found if service.x.process else [*found, "the process engine runs no images: it has to be started by hand"]
        )
    return []


def start_command(service: Service) -> str | None:
    """The command line that a service runs, from its stack file and its Dockerfile; ``None`` where its image has it."""
    entrypoint, command = service.entrypoint, service.command
    if service.build is not None:
        own_entrypoint, own_command = start_commands(service.build)
        if command is None and entrypoint is None:
            command = own_command
        entrypoint = own_entrypoint if entrypoint is None else entrypoint
    words = [*(entrypoint or ()), *(command or ())]
    return shlex.join(words) if words else None


def _traced_command(service: Service, command: str | None) -> str | None:
    """How a Python program is started traced; ``None`` where it is none, or is started so."""
    images = [*(base_images(service.build) if service.build else ()), service.image or ""]
    program = (command or "").split(" ")[0].rpartition("/")[2]
    if not (program.startswith("python") or any(repository_name(image) in _PYTHON for image in images)):
        return None
    if command is not None and ("devenv.tracing" in command or "devenv run" in command):
        return None
    return f"{_RUNNER} {command or 'CMD...'}"


def _process(command: str | None) -> str:
    return f"x-devenv: {{ process: {{ command: {scalar(command or 'CMD...')}, port_env: PORT }} }}"
