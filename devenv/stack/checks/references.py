"""Checks references: networks, volumes, files and dependencies without cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from devenv.model.build_contexts import context_services
from devenv.model.stack import Service
from devenv.stack.checks.merged_stack import MergedStack
from devenv.stack.readers.networking import DEFAULT_NETWORK
from devenv.stack.yaml.nodes import MapNode, plain


def check_references(merged: MergedStack) -> None:
    """Note names that are not defined, and circular dependencies."""
    for service in merged.active.values():
        _check_resources(merged, service)
        _check_dependencies(merged, service)
        _check_contexts(merged, service)
    _check_cycles(merged)
    _check_build_cycles(merged)


def _check_resources(merged: MergedStack, service: Service) -> None:
    base = ("services", service.name)
    networks = (*merged.defined("networks"), DEFAULT_NETWORK)
    for attachment in service.networks:
        if attachment.network not in networks:
            hint = f"add it under networks: at the top level ({attachment.network}: {{}})"
            merged.unknown("network", attachment.network, networks, (*base, "networks", attachment.network), hint)
    volumes = merged.defined("volumes")
    for mount in service.mounts:
        if mount.kind == "volume" and mount.source and mount.source not in volumes:
            hint = f"add it under volumes: at the top level, or write ./{mount.source} for a directory"
            path = (*base, "volumes", _position(merged, service.name, mount.source))
            merged.unknown("volume", mount.source, volumes, path, hint)
    built = service.build.secrets if service.build else ()
    uses = (
        ("secrets", service.secrets, base),
        ("configs", service.configs, base),
        ("secrets", built, (*base, "build")),
    )
    for section, mounts, place in uses:
        for mount_index, file in enumerate(mounts):
            if file.source not in merged.defined(section):
                hint = f"add it under {section}: at the top level"
                path = (*place, section, mount_index)
                merged.unknown(section[:-1], file.source, merged.defined(section), path, hint)


def _position(merged: MergedStack, service: str, source: str) -> int:
    """Index of the mount of ``source`` in the service's ``volumes``."""
    value = plain(merged.node("services", service, "volumes"))
    items = value if isinstance(value, list) else []
    return next((i for i, item in enumerate(items) if isinstance(item, dict) and item.get("source") == source), 0)


def _dependency_path(merged: MergedStack, service: str, name: str) -> tuple[str | int, ...]:
    """Path of the dependency of ``service`` on ``name``: in depends_on, links or a shared namespace."""
    base = ("services", service)
    declared = merged.node(*base, "depends_on")
    if isinstance(declared, MapNode) and name in declared.entries:
        return (*base, "depends_on", name)
    for key in ("network_mode", "pid", "ipc", "links", "volumes_from"):
        value = plain(merged.node(*base, key))
        if value == f"service:{name}":
            return (*base, key)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if str(item).partition(":")[0] == name:
                return (*base, key, index)
    return base


def _check_dependencies(merged: MergedStack, service: Service) -> None:
    for dependency in service.depends_on:
        name, path = dependency.service, _dependency_path(merged, service.name, dependency.service)
        if name in merged.active or (name in merged.inactive and not dependency.required):
            continue
        if name in merged.inactive:
            merged.add(
                f"service {service.name} depends on {name}, which is not in an active profile",
                *path,
                found=name,
                hint=f"activate a profile of {name}, or add `required: false` next to its condition",
            )
        elif name not in merged.defined("services"):  # else it exists and has its own problems
            merged.unknown("service", name, merged.active, path, "add it under services:")


def _check_contexts(merged: MergedStack, service: Service) -> None:
    """Services whose images are contexts of a build."""
    for key, name in context_services(service.build).items():
        path = ("services", service.name, "build", "additional_contexts", key)
        if name in merged.active:
            if merged.active[name].build is None:
                merged.add(
                    f"service {name} has no build: its image cannot be a context of another build",
                    *path,
                    found=f"service:{name}",
                    expected="a service with build",
                    hint=f"write docker-image://{merged.active[name].image or 'NAME'}",
                )
        elif name in merged.inactive:
            merged.add(
                f"the build of {service.name} needs the image of {name}, which is not in an active profile",
                *path,
                found=f"service:{name}",
                hint=f"activate a profile of {name}",
            )
        elif name not in merged.defined("services"):
            merged.unknown("service", name, merged.active, path, "add it under services:")


def _check_build_cycles(merged: MergedStack) -> None:
    builds = {name: list(context_services(service.build).values()) for name, service in merged.active.items()}
    for cycle in _cycles({name: [to for to in found if to in builds] for name, found in builds.items()}):
        text = " → ".join((*cycle, cycle[0]))
        place = ("services", cycle[0], "build", "additional_contexts")
        merged.add(f"circular builds: {text}", *place, found=text, expected="no circular builds")


def _check_cycles(merged: MergedStack) -> None:
    edges = {
        name: [dependency.service for dependency in service.depends_on if dependency.service in merged.active]
        for name, service in merged.active.items()
    }
    reported: set[frozenset[str]] = set()
    for cycle in _cycles(edges):
        if frozenset(cycle) in reported:
            continue
        reported.add(frozenset(cycle))
        path = " → ".join((*cycle, cycle[0]))
        following = cycle[1] if len(cycle) > 1 else cycle[0]
        place = _dependency_path(merged, cycle[0], following)
        merged.add(f"circular dependency: {path}", *place, found=path, expected="no circular dependency")


def _cycles(edges: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Cycles found by a depth-first search with an explicit stack, so that long chains do not recurse."""
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
