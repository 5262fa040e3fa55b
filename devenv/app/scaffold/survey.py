"""Describes each service of a new stack and what devenv would change."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.app.start_command import start_command, traced_command
from devenv.model.scaffold import InitServicePart
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.instrumentation.infrastructure import image_of, infrastructure_kind
from devenv.stack.edit import scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model.scaffold import InitTracing
    from devenv.model.stack import Service, Stack
    from devenv.orchestrate.instrumentation.infrastructure import Kind

_ENDPOINTS = frozenset({"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"})
_ON_PROCESSES = (
    "the process engine runs PostgreSQL, MariaDB, Redis and RabbitMQ if they are installed; start others yourself"
)
_OFF = "x-devenv: { instrument: false }"


def survey(stack: Stack, processes: Mapping[str, str] = MappingProxyType({})) -> list[InitServicePart]:
    """Describe each service, in the stack's order.

    Args:
        stack: as resolved from its files.
        processes: values of ``x-devenv`` with a process, for services for which it could be derived.

    Raises:
        ConfigurationError: If tracing cannot be added to the stack.
    """
    traced = instrument(stack, backend="jaeger")
    stated = traced.warnings[len(stack.warnings) :]
    return [
        _part(
            stack,
            service,
            traced.services[service.name],
            processes.get(service.name),
            [w.message for w in stated if w.location == service.location],
        )
        for service in stack.services.values()
    ]


def _part(stack: Stack, service: Service, traced: Service, derived: str | None, warnings: list[str]) -> InitServicePart:
    kind = infrastructure_kind(service)
    tracing = _tracing(stack, service, kind)
    application = tracing not in {"trace-backend", "infrastructure"}
    command = start_command(service)
    return InitServicePart(
        name=service.name,
        tracing=tracing,
        image=image_of(service),
        added=sorted(set(traced.environment) - set(service.environment)),
        own=sorted(name for name in service.environment if name.startswith("OTEL_")),
        traced_command=traced_command(service, command) if application else None,
        process=_process(command, derived) if application and service.x.process is None else None,
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
        copied = "telemetry of the stack: `devenv up` gives devenv's backend a copy of its spans, or says what to add"
        return [f"{copied}; set `{take}` if it is to be the trace backend instead"]
    if tracing == "infrastructure":
        found = [f"recognised by its image ({kind}); set `{_OFF}` to keep its environment unchanged"]
        return found if service.x.process else [*found, _ON_PROCESSES]
    return []


def _process(command: str | None, derived: str | None) -> str:
    if derived is not None:
        return f"x-devenv: {derived}"
    return f"x-devenv: {{ process: {{ command: {scalar(command or 'CMD...')}, port_env: PORT }} }}"
