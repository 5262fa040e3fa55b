"""What services name and has to be there: networks, volumes, files, and each other without a circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from devenv.model.stack import Service
from devenv.stack.networking import DEFAULT_NETWORK
from devenv.stack.nodes import MapNode, plain
from devenv.stack.whole import Whole


def check_references(whole: Whole) -> None:
    """Notes names that nothing stands for, and dependencies in a circle."""
    for service in whole.active.values():
        _check_resources(whole, service)
        _check_dependencies(whole, service)
    _check_cycles(whole)


def _check_resources(whole: Whole, service: Service) -> None:
    base = ("services", service.name)
    networks = (*whole.defined("networks"), DEFAULT_NETWORK)
    for attachment in service.networks:
        if attachment.network not in networks:
            hint = f"add it under networks: at the top level ({attachment.network}: {{}})"
            whole.unknown("network", attachment.network, networks, (*base, "networks", attachment.network), hint)
    volumes = whole.defined("volumes")
    for mount in service.mounts:
        if mount.kind == "volume" and mount.source and mount.source not in volumes:
            hint = f"add it under volumes: at the top level, or write ./{mount.source} for a directory"
            path = (*base, "volumes", _position(whole, service.name, mount.source))
            whole.unknown("volume", mount.source, volumes, path, hint)
    for section, mounts in (("secrets", service.secrets), ("configs", service.configs)):
        for mount_index, file in enumerate(mounts):
            if file.source not in whole.defined(section):
                hint = f"add it under {section}: at the top level"
                path = (*base, section, mount_index)
                whole.unknown(section[:-1], file.source, whole.defined(section), path, hint)


def _position(whole: Whole, service: str, source: str) -> int:
    """Index of the mount of ``source`` in the service's ``volumes``."""
    value = plain(whole.node("services", service, "volumes"))
    items = value if isinstance(value, list) else []
    return next((i for i, item in enumerate(items) if isinstance(item, dict) and item.get("source") == source), 0)


def _dependency_path(whole: Whole, service: str, name: str) -> tuple[str | int, ...]:
    """Where ``service`` says that it depends on ``name``: in depends_on, links, or a shared namespace."""
    base = ("services", service)
    declared = whole.node(*base, "depends_on")
    if isinstance(declared, MapNode) and name in declared.entries:
        return (*base, "depends_on", name)
    for key in ("network_mode", "pid", "links"):
        value = plain(whole.node(*base, key))
        if value == f"service:{name}":
            return (*base, key)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if str(item).partition(":")[0] == name:
                return (*base, key, index)
    return base


def _check_dependencies(whole: Whole, service: Service) -> None:
    for dependency in service.depends_on:
        name, path = dependency.service, _dependency_path(whole, service.name, dependency.service)
        if name in whole.active or (name in whole.inactive and not dependency.required):
            continue
        if name in whole.inactive:
            whole.add(
                f"service {service.name} depends on {name}, which none of the active profiles includes",
                *path,
                found=name,
                hint=f"activate a profile of {name}, or write `required: false` beside its condition",
            )
        elif name not in whole.defined("services"):  # else it is there and has problems of its own
            whole.unknown("service", name, whole.active, path, "add it under services:")


def _check_cycles(whole: Whole) -> None:
    edges = {
        name: [dependency.service for dependency in service.depends_on if dependency.service in whole.active]
        for name, service in whole.active.items()
    }
    reported: set[frozenset[str]] = set()
    for cycle in _cycles(edges):
        if frozenset(cycle) in reported:
            continue
        reported.add(frozenset(cycle))
        path = " → ".join((*cycle, cycle[0]))
        following = cycle[1] if len(cycle) > 1 else cycle[0]
        place = _dependency_path(whole, cycle[0], following)
        whole.add(f"services depend on each other in a circle: {path}", *place, found=path, expected="no circle")


def _cycles(edges: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Cycles that a depth-first search meets; an explicit stack, so that long chains do not recurse."""
    done: set[str] = set()
    for root in edges:
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                done.add(path.pop())
            elif name in path:
                yield tuple(path[path.index(name) :])
            elif name not in done:
                path.append(name)
                stack.append((name, True))
                stack.extend((following, False) for following in reversed(edges[name]))
