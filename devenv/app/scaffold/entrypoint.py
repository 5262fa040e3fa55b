"""Chooses the entry point of a stack whose file does not name one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError, UnknownName, UsageError
from devenv.orchestrate.instrumentation.infrastructure import infrastructure_kind
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack


def choose_entrypoint(stack: Stack, asked: str | None = None) -> str:
    """Choose the requested service, else the one that publishes a port and that no other such service depends on.

    Databases, brokers, tools, collectors and the trace backend also publish ports; they are ignored.

    Raises:
        UnknownName: If the stack has no service ``asked``.
        ConfigurationError: If that service has no port.
        UsageError: If no service publishes a port, or several do and none depends on the others.
    """
    if asked is not None:
        return _asked(stack, asked)
    candidates = [service.name for service in stack.services.values() if _is_candidate(stack, service)]
    below = {name for candidate in candidates for name in _dependencies(stack, candidate) if name != candidate}
    upstream = [name for name in candidates if name not in below]
    if len(upstream) == 1:
        return upstream[0]
    if not upstream:
        raise UsageError(
            "no entry point found: no application service publishes a port",
            hint="publish a port (ports:), or name the service with --entrypoint",
            details={"services": list(stack.services)},
        )
    raise UsageError(
        f"several services could be the entry point: {', '.join(upstream)}",
        hint=f"choose one: --entrypoint {upstream[0]}",
        details={"candidates": upstream},
    )


def _asked(stack: Stack, name: str) -> str:
    service = stack.services.get(name)
    if service is None:
        known = ", ".join(stack.services)
        raise UnknownName(
            f"--entrypoint: no service {name!r}; available: {known}",
            hint=suggest(name, stack.services),
            details={"name": name, "known": list(stack.services)},
        )
    if not service.container_ports:
        raise ConfigurationError(
            f"service {name} has no port",
            location=service.location,
            key=f"services.{name}",
            expected="ports or expose",
            hint="publish a port under ports:",
        )
    return name


def _is_candidate(stack: Stack, service: Service) -> bool:
    backend = stack.trace_backend
    publishes = any(port.protocol == "tcp" for port in service.ports)
    is_backend = backend is not None and backend.name == service.name
    return publishes and not is_backend and infrastructure_kind(service) is None


def _dependencies(stack: Stack, name: str) -> set[str]:
    """All direct and indirect dependencies of a service."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for dependency in stack.services[waiting.pop()].depends_on:
            if dependency.service in stack.services and dependency.service not in found:
                found.add(dependency.service)
                waiting.append(dependency.service)
    return found
