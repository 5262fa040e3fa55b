"""Selects the services of an ``up``, checks their instances, and puts them in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError, UnknownName
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack

_SHARED_PREFIX = "service:"


def scaled(stack: Stack, scale: Mapping[str, int]) -> Stack:
    """Return ``stack`` with other numbers of instances, by service.

    Raises:
        UnknownName: If the stack has no such service.
    """
    check_known(scale, stack.services)
    services = {name: replace(stack.services[name], replicas=count) for name, count in scale.items()}
    return replace(stack, services={**stack.services, **services})


def select(stack: Stack, names: tuple[str, ...], *, dependencies: bool = True) -> tuple[str, ...]:
    """Return the named services, all that they need and the trace backend, in the stack's order; all if none is named.

    Args:
        stack: with the trace backend.
        names: of services.
        dependencies: whether what they need is included.

    Raises:
        UnknownName: If the stack has no such service.
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
        open_names += needs(stack.services[name]) if dependencies else ()
    return tuple(name for name in stack.services if name in wanted)


def check_known(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise :class:`UnknownName` for the first of ``names`` that is not ``known``, with a suggestion."""
    known = list(known)
    for name in names:
        if name not in known:
            hint = suggest(name, known) or f"available: {', '.join(sorted(known)) or 'none'}"
            raise UnknownName(f"no service {name!r}", hint=hint, details={"name": name, "known": sorted(known)})


def needs(service: Service) -> tuple[str, ...]:
    """Return the services that ``service`` needs before it starts, whether they end or stay."""
    sharing = [shared for shared in (shared_network(service), _shared(service.pid)) if shared]
    return tuple(dict.fromkeys([*(dependency.service for dependency in service.depends_on), *sharing]))


def shared_network(service: Service) -> str | None:
    """Return the service whose network ``service`` shares, if any."""
    return _shared(service.network_mode)


def shared_parts(service: Service) -> dict[str, str]:
    """Return what ``service`` has of other services' instances, by service: it cannot start without these instances."""
    parts = {
        "network": shared_network(service),
        "process IDs": _shared(service.pid),
        "IPC namespace": _shared(service.options.get("ipc")),
    }
    found = {owner: what for what, owner in parts.items() if owner}
    for text in service.options.get("volumes_from", ()):
        if not text.startswith("container:"):
            found.setdefault(text.partition(":")[0], "volumes")
    return found


def named_services(service: Service) -> tuple[str, ...]:
    """Return the services whose instances have to exist before one of ``service`` can be created."""
    linked = (text.partition(":")[0] for text in service.options.get("links", ()))
    return tuple(dict.fromkeys([*shared_parts(service), *linked]))


def _shared(mode: str | None) -> str | None:
    return mode.removeprefix(_SHARED_PREFIX) if mode and mode.startswith(_SHARED_PREFIX) else None


def check_probes(services: Iterable[Service]) -> None:
    """Refuse a probe of a port if neither it nor the service names one.

    Raises:
        ConfigurationError: If the port is unknown; its location is that of the service.
    """
    for service in services:
        ready = service.x.ready
        if ready is None or ready.port or service.container_ports:
            continue
        if (ready.http is not None and not ready.http.port) or ready.tcp is True:
            kind = "http" if ready.http is not None else "tcp"
            raise ConfigurationError(
                f"x-devenv.ready.{kind} of {service.name} has no port, and the service has neither ports nor expose",
                location=service.location,
                key=f"services.{service.name}.x-devenv.ready",
                hint=f"add the port on which {service.name} listens, such as `expose: [8080]`",
            )


def disabled_checks(services: Iterable[Service], known: Mapping[str, Service]) -> Iterator[str]:
    """Yield a warning for each dependency that is to be healthy but has no check, because its file disables it."""
    for service in services:
        for dependency in service.depends_on:
            needed = known.get(dependency.service)
            if needed is None or dependency.condition != "service_healthy":
                continue
            probed = needed.x.ready is not None and needed.x.ready.has_probe
            if not probed and needed.healthcheck is not None and needed.healthcheck.disable:
                yield (
                    f"{service.location}: {service.name} waits until {needed.name} is healthy, but the healthcheck of "
                    f"{needed.name} is disabled: it counts as healthy when it runs"
                )


def check_instances(services: Iterable[Service]) -> None:
    """Refuse host ports and container names that several instances would use.

    Raises:
        ConfigurationError: If one is used twice; its location is that of the service.
    """
    for service in services:
        fixed = [port for port in service.ports if port.host is not None]
        narrow = [
            port for port in fixed if (port.host_last or port.host or 0) - (port.host or 0) + 1 < service.replicas
        ]
        if service.replicas > 1 and (narrow or service.container_name):
            what = f"host port {narrow[0].host}" if narrow else f"container_name {service.container_name}"
            raise ConfigurationError(
                f"{service.name} has {service.replicas} replicas, but only one can use {what}",
                location=service.location,
                key=f"services.{service.name}",
                hint="remove the host port or container_name, or set replicas to 1",
            )


def one_shots(stack: Stack) -> frozenset[str]:
    """Return the services that are expected to end: those whose completion another one waits for."""
    return frozenset(
        dependency.service
        for service in stack.services.values()
        for dependency in service.depends_on
        if dependency.condition == "service_completed_successfully"
    )


def in_dependency_order(stack: Stack, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``names``, each after all that it depends on; the stack's reader has refused cycles."""
    order: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in order or name in path or name not in names:
            return
        service = stack.services[name]
        shared = shared_network(service)
        for needed in [*(dependency.service for dependency in service.depends_on), *([shared] if shared else [])]:
            visit(needed, (*path, name))
        order[name] = None

    for name in names:
        visit(name, ())
    return tuple(order)
