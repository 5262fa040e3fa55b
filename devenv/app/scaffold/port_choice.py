"""Ports of a stack's services: which one a new service gets, and under which URL others are reached."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from devenv.errors import UnknownName, UsageError
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack

_FIRST = 8080
"""Where nothing listens yet."""
_HIGHEST = 65535
_LOWEST = 1024
"""Below it, only root may listen, and the service's image runs as somebody else."""


def choose_port(stack: Stack, wanted: int | None) -> int:
    """The port of a new service: ``wanted``, else the first free one above those of the stack's services.

    Raises:
        UsageError: ``wanted`` is no port, or a service uses it.
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
            f"--port: {wanted} is used by {used[wanted]}", hint=f"{choose_port(stack, None)} is free; it is the default"
        )
    return wanted


def upstream_urls(stack: Stack, names: tuple[str, ...]) -> dict[str, str]:
    """URL by name of services that are to be asked, as the stack's network knows them.

    Raises:
        UnknownName: there is no such service.
        UsageError: it is the trace backend, or its port cannot be told.
    """
    return {name: f"http://{name}:{_port_of(stack, name)}" for name in names}


def _port_of(stack: Stack, name: str) -> int:
    backend = stack.trace_backend
    service = stack.services.get(name)
    if service is None:
        known = [each for each in stack.services if backend is None or each != backend.name]
        raise UnknownName(
            f"--upstream: no service {name!r}; there are: {', '.join(known) or 'none'}",
            hint=suggest(name, known) or "devenv config shows the stack",
            details={"name": name, "known": known},
        )
    if service is backend:
        raise UsageError(f"--upstream: {name} is the trace backend, which answers no requests of services")
    port = _listening(service)
    if port is None:
        raise UsageError(
            f"--upstream: the stack file does not say on which port {name} listens",
            hint=f"give services.{name} an `expose`, such as expose: [{_FIRST}]",
        )
    return port


def _listening(service: Service) -> int | None:
    """The port of its readiness probe, which is HTTP for sure, else its first one."""
    ready = service.x.ready
    if ready is not None and ready.http is not None and ready.http.port is not None:
        return ready.http.port
    return next(iter(service.container_ports), None)


def _used(stack: Stack) -> dict[int, str]:
    """Service by port, whether it listens there or is published there."""
    found: dict[int, str] = {}
    for service in stack.services.values():
        listening = _listening(service)
        published = (port.host for port in service.ports if port.host is not None)
        for port in (*service.container_ports, *published, *(() if listening is None else (listening,))):
            found.setdefault(port, service.name)
    return found
