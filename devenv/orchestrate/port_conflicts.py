"""Refuses a host port that two services of a stack publish, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack

LOOPBACK = "127.0.0.1"
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def check_conflicts(stack: Stack, names: tuple[str, ...]) -> None:
    """Refuse a port that two of the services ``names`` publish; the added trace backend is one of them.

    Args:
        stack: with the trace backend, and with the ports that will be published.
        names: of the services to start.

    Raises:
        ConfigurationError: If a port is published twice; the location is that of the service in the file.
    """
    backend = stack.trace_backend
    found: dict[tuple[int, str], list[tuple[Service, str]]] = {}
    for service in (stack.services[name] for name in names):
        for port in service.ports:
            if port.host is None:
                continue
            address = port.address or LOOPBACK
            published = found.setdefault((port.host, port.protocol), [])
            for other, bound in published:
                same_family = (":" in bound) == (":" in address)
                if bound == address or (same_family and {bound, address} & _EVERY_ADDRESS):
                    raise _published_twice(port.host, other, service, backend)
            published.append((service, address))


def _published_twice(port: int, first: Service, second: Service, backend: Service | None) -> ConfigurationError:
    added = backend if backend is not None and not backend.location.line and backend in (first, second) else None
    if added is None:
        where = f"{first.name} and {second.name}" if first.name != second.name else f"{second.name}, twice"
        text = f"host port {port} is published by {where}"
        hint = "change one of the ports, or run `devenv up --isolated`"
    else:
        second = second if added is first else first
        text = f"host port {port} is published by {second.name} and by the trace backend that devenv adds"
        hint = (
            f"if {second.name} receives the traces, add `x-devenv: {{role: trace-backend}}` to it; "
            "else change its port, or run `devenv up --isolated`"
        )
    return ConfigurationError(text, location=second.location, key=f"services.{second.name}.ports", hint=hint)
