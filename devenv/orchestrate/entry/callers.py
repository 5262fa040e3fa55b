"""Which services of a stack are called by others, as far as its file says: the entry point is one that is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devenv.model.service_addresses import address_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.model.stack import Service, Stack

_HOST = re.compile(r"(?:^|_)(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS|UPSTREAM|BACKEND)S?$")
"""Names of variables whose whole value is a host name."""


def uncalled(stack: Stack, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of ``names`` that no other service calls or depends on; else those that none depends on.

    Args:
        stack: with the environments and commands in which the names of services are looked for.
        names: of services.
    """
    needed = {name: _needed_by_others(stack, name) for name in names}
    called = {name: _called_by_others(stack, stack.services[name]) for name in names}
    alone = tuple(name for name in names if not needed[name] and not called[name])
    return alone or tuple(name for name in names if not needed[name])


def _needed_by_others(stack: Stack, name: str) -> bool:
    return any(
        dependency.service == name
        for other in stack.services.values()
        if other.name != name
        for dependency in other.depends_on
    )


def _called_by_others(stack: Stack, service: Service) -> bool:
    others = [other for other in stack.services.values() if other.name != service.name]
    names = service.host_names
    address = address_pattern(names)
    linked = (str(link).partition(":")[0] for other in others for link in other.options.get("links", ()))
    return service.name in linked or any(
        address.search(value) or (_HOST.search(name) and value in names)
        for other in others
        for name, value in _texts(other)
    )


def _texts(service: Service) -> Iterable[tuple[str, str]]:
    yield from service.environment.items()
    yield from (("", word) for word in (*(service.entrypoint or ()), *(service.command or ())))
