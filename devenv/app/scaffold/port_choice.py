"""Chooses the port of a new service, and finds the URLs of its upstreams."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from devenv.errors import UnknownName, UsageError
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack

_FIRST = 8080
"""The first port in a stack without other ports."""
_HIGHEST = 65535
_LOWEST = 1024
"""Below it only root may listen, and the service's image runs as another user."""


def choose_port(stack: Stack, wanted: int | None) -> int:
    """The port of a new service: ``wanted``, else the first free one above those of the stack's services.

    Raises:
        UsageError: If ``wanted`` is not a valid port, or a service uses it.
    """
    used = _used(stack)
    if wanted is None:
        backend = stack.trace_backend
        own = [port for port, service in used.items() if backend is None or service != backend.name]
        above = max(own, default=_FIRST - 1) + 1
        for port in chain(range(above, _HIGHEST + 1), range(_FIRST, _HIGHEST + 1)):
            if port not in used:
                return port
        raise UsageError("no port is free", hint="choose one with --port")
    if not _LOWEST <= wanted <= _HIGHEST:
        raise UsageError(f"--port: found {wanted}, expected {_LOWEST} to {_HIGHEST}")
    if wanted in used:
        raise UsageError(
            f"--port: {wanted} is used by {used[wanted]}", hint=f"use {choose_port(stack, None)}, or leave --port out"
        )
    return wanted


def upstream_urls(stack: Stack, names: tuple[str, ...]) -> dict[str, str]:
    """URLs of the upstreams on the stack's network, by name.

    Raises:
        UnknownName: If a service does not exist.
        UsageError: If a service is the trace backend, or has no port in the stack file.
    """
    return {name: f"http://{name}:{_port_of(stack, name)}" for name in names}


def _port_of(stack: Stack, name: str) -> int:
    backend = stack.trace_backend
    service = stack.services.get(name)
    if service is None:
        known = [each for each in stack.services if backend is None or each != backend.name]
        raise UnknownName(
            f"--upstream: no service {name!r}; available: {', '.join(known) or 'none'}",
            hint=suggest(name, known) or "see `devenv config`",
            details={"name": name, "known": known},
        )
    if service is backend:
        raise UsageError(f"--upstream: {name} is the trace backend and cannot be an upstream")
    port = _listening(service)
    if port is None:
        raise UsageError(
            f"--upstream: {name} has no port in the stack file",
            hint=f"add `expose: [PORT]` to services.{name}, such as expose: [{_FIRST}]",
        )
    return port


def _listening(service: Service) -> int | None:
    """The port of its readiness probe, which is certainly HTTP, else its first one."""
    ready = service.x.ready
    if ready is not None and ready.http is not None and ready.http.port is not None:
        return ready.http.port
    return next(iter(service.container_ports), None)


def _used(stack: Stack) -> dict[int, str]:
    """The service of each port, listened on or published."""
    found: dict[int, str] = {}
    for service in stack.services.values():
        listening = _listening(service)
        published = (port.host for port in service.ports if port.host is not None)
        for port in (*service.container_ports, *published, *(() if listening is None else (listening,))):
            found.setdefault(port, service.name)
    return found
