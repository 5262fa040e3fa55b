"""The images among a build's ``additional_contexts``: of other services, and by their references."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devenv.model.stack import Build, Service

SERVICE_CONTEXT = "service:"
IMAGE_CONTEXT = "docker-image://"


def context_services(build: Build | None) -> dict[str, str]:
    """Return the services whose images ``build`` has as contexts, by the context's name."""
    return _sources(build, SERVICE_CONTEXT)


def context_images(build: Build) -> dict[str, str]:
    """Return the references of images that ``build`` has as contexts, by the context's name."""
    return _sources(build, IMAGE_CONTEXT)


def with_contexts_of(services: Iterable[Service], known: Mapping[str, Service]) -> tuple[Service, ...]:
    """Return ``services`` with those whose images their builds need, each after those that it needs.

    Args:
        services: to run.
        known: all of the stack, by name.
    """
    found: dict[str, Service] = {}
    waiting = [(service, False) for service in reversed(list(services))]
    entered: set[str] = set()
    while waiting:
        service, leaving = waiting.pop()
        if leaving:
            found[service.name] = service
        elif service.name not in entered:
            entered.add(service.name)
            waiting.append((service, True))
            waiting += [(known[name], False) for name in context_services(service.build).values() if name in known]
    return tuple(found.values())


def _sources(build: Build | None, prefix: str) -> dict[str, str]:
    contexts = build.additional_contexts if build else {}
    return {name: text.removeprefix(prefix) for name, text in contexts.items() if text.startswith(prefix)}
