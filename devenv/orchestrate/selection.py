"""Which services of a stack an ``up`` is about, and what is wrong with them before an engine is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError, UnknownName
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack

_SHARED_PREFIX = "service:"


def select(stack: Stack, names: tuple[str, ...]) -> tuple[str, ...]:
    """The services named, all that they need and the trace backend, in the stack's order; all where none is named.

    Raises:
        UnknownName: the stack has no such service.
    """
    check_known(names, stack.services)
    if not names:
        return tuple(stack.services)
    backend = stack.trace_backend
    wanted: set[str] = set()
    open_names = [*names, *([backend.name] if backend else [])]
    while open_names:
        name = open_names.pop()
        if name in wanted or name not in stack.services:
            continue
        wanted.add(name)
        open_names += needs(stack.services[name])
    return tuple(name for name in stack.services if name in wanted)


def check_known(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise :class:`UnknownName` for the first of ``names`` that is not ``known``, with a suggestion."""
    known = list(known)
    for name in names:
        if name not in known:
            hint = suggest(name, known) or f"available: {', '.join(sorted(known)) or 'none'}"
            raise UnknownName(f"no service {name}", hint=hint, details={"name": name, "known": sorted(known)})


def needs(service: Service) -> tuple[str, ...]:
    """Services that have to be there before ``service`` starts, whether they end or stay."""
    sharing = [shared for shared in (shared_network(service), _shared(service.pid)) if shared]
    return tuple(dict.fromkeys([*(dependency.service for dependency in service.depends_on), *sharing]))


def shared_network(service: Service) -> str | None:
    """The service whose network ``service`` shares, if any."""
    return _shared(service.network_mode)


def _shared(mode: str | None) -> str | None:
    return mode.removeprefix(_SHARED_PREFIX) if mode and mode.startswith(_SHARED_PREFIX) else None


def check_instances(services: Iterable[Service]) -> None:
    """Refuse what only one instance can have where there are several, and host ports that are published twice.

    Raises:
        ConfigurationError: at the service concerned.
    """
    publishers: Counter[tuple[int, str, str]] = Counter()
    for service in services:
        fixed = [port for port in service.ports if port.host is not None]
        narrow = [
            port for port in fixed if (port.host_last or port.host or 0) - (port.host or 0) + 1 < service.replicas
        ]
        if service.replicas > 1 and (narrow or service.container_name):
            what = f"the host port {narrow[0].host}" if narrow else f"the container_name {service.container_name}"
            raise ConfigurationError(
                f"{service.name} has {service.replicas} replicas, and only one of them can have {what}",
                location=service.location,
                key=f"services.{service.name}",
                hint="leave the host's side out, or let the service have one replica",
            )
        for port in fixed:
            place = (port.host or 0, port.protocol, port.address or "")
            publishers[place] += 1
            if publishers[place] > 1:
                raise ConfigurationError(
                    f"the host port {port.host} is published twice, here by {service.name}",
                    location=service.location,
                    key=f"services.{service.name}.ports",
                )


def one_shots(stack: Stack) -> frozenset[str]:
    """Services that are to end: those whose completion another one waits for."""
    return frozenset(
        dependency.service
        for service in stack.services.values()
        for dependency in service.depends_on
        if dependency.condition == "service_completed_successfully"
    )
