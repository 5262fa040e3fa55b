"""The calls that a stack declares: its dependencies, and the addresses in the environment of its services."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.model.service_addresses import address_pattern
from devenv.model.stack import Stack

COMPLETED = "service_completed_successfully"


def declared_edges(stack: Stack, names: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Caller and called service of each declared edge, by the names of their nodes.

    A dependency on a service that has to complete first, such as a migration, is not a call. Neither is a dependency
    on a service without a name, as the trace backend.

    Args:
        stack: as resolved from its files.
        names: of the nodes, by service.
    """
    found: set[tuple[str, str]] = set()
    hosts = {host: name for name in names for host in stack.services[name].host_names}
    pattern = address_pattern(hosts) if hosts else None
    for key, name in names.items():
        service = stack.services[key]
        called = {item.service for item in service.depends_on if item.condition != COMPLETED}
        if pattern is not None:
            for value in service.environment.values():
                called |= {hosts[match["host"] or match["bare"]] for match in pattern.finditer(value)}
        found |= {(name, names[other]) for other in called if other in names and other != key}
    return frozenset(found)
