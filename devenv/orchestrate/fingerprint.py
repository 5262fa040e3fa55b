"""Configuration hashes: equal exactly if nothing has to be replaced.

The hash is over canonical JSON (sorted keys, no spaces), so it is the same in every run, with any hash seed of Python.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.immutable import immutable
from devenv.orchestrate.files import file_digest
from devenv.orchestrate.naming import network_name, volume_name

if TYPE_CHECKING:
    from devenv.model.extension import Jaeger
    from devenv.model.identity import Project
    from devenv.model.stack import Network, Service, Stack, Volume
    from devenv.orchestrate.instrumentation.injection import Injection

# Fields that only devenv reads, that take effect through the image's ID, or that change the order or number of
# instances but not an instance.
_NOT_OF_AN_INSTANCE = frozenset(
    {
        "name",
        "x",
        "location",
        "image",
        "build",
        "pull_policy",
        "pull_after",
        "depends_on",
        "profiles",
        "replicas",
        "attach",
    }
    | {"develop", "tracing_places", "process_places"}
)
_BY_WHAT_THEY_NAME = frozenset({"mounts", "networks", "secrets", "configs"})

INJECTED = "tracing"
"""The field of what devenv adds to a service so that it traces itself."""


@immutable()
class Fingerprint:
    """The hash of a configuration, and short hashes of its fields by name."""

    digest: str
    fields: Mapping[str, str]

    def changed_since(self, earlier: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of the fields that differ from ``earlier`` ones, sorted."""
        names = sorted({*self.fields, *earlier})
        return tuple(name for name in names if self.fields.get(name) != earlier.get(name))


def service_fingerprint(
    project: Project,
    stack: Stack,
    service: Service,
    *,
    image_id: str,
    mounted: Mapping[str, str],
    processes: bool,
    injection: Injection | None = None,
) -> Fingerprint:
    """Return the hash of a resolved service and of its image's ID, before ports are allocated.

    Args:
        project: names networks and volumes.
        stack: with the networks, volumes, secrets and configs that the service refers to.
        service: with its tracing variables.
        image_id: the engine's ID of the image; empty if it has none.
        mounted: the engine's IDs of the images that it mounts, by name.
        processes: the engine runs local processes, so ``x-devenv.process`` counts too.
        injection: what devenv adds for its tracing.
    """
    parts: dict[str, Any] = {
        field.name: plain(getattr(service, field.name))
        for field in fields(service)
        if field.name not in _NOT_OF_AN_INSTANCE | _BY_WHAT_THEY_NAME
    }
    parts["image"] = image_id
    parts["mounts"] = [_mount(project, stack, plain(mount), mounted) for mount in service.mounts]
    parts["networks"] = [
        {**plain(attachment), "network": network_name(project, stack.networks[attachment.network])}
        for attachment in service.networks
    ]
    for kind, sources in (("secrets", stack.secrets), ("configs", stack.configs)):
        mounts = getattr(service, kind)
        parts[kind] = [{**plain(mount), "content": file_digest(sources[mount.source])} for mount in mounts]
    if processes:
        parts["process"] = plain(service.x.process.model_dump() if service.x.process else None)
        backend = stack.trace_backend
        if backend is not None and backend.name == service.name:
            if stack.x.backend.access != "open":
                parts["access"] = stack.x.backend.access
            parts["jaeger"] = _of_the_embedded_backend(stack.x.jaeger)
    if injection is not None:
        files = {tree.target: tree.digest for tree in injection.files}
        parts[INJECTED] = {"environment": plain(injection.environment), "files": files}
    written = {name: canonical(value) for name, value in parts.items() if value not in (None, "", [], {}, False)}
    short = {name: hashlib.sha256(text.encode()).hexdigest()[:6] for name, text in written.items()}
    return Fingerprint(_digest(written), short)


def _of_the_embedded_backend(settings: Jaeger) -> dict[str, Any]:
    """The settings that differ from the defaults, of those that the embedded backend has."""
    names = {"storage", "max_age", "max_bytes", "cors_origins"} if settings.storage != "memory" else {"cors_origins"}
    return settings.model_dump(mode="json", include=names, exclude_defaults=True)


def network_digest(network: Network) -> str:
    """Return the hash of a network's definition."""
    return _digest({"network": canonical(plain(network))})


def volume_digest(volume: Volume) -> str:
    """Return the hash of a named volume's definition."""
    return _digest({"volume": canonical(plain(volume))})


def plain(value: Any) -> Any:
    """Return ``value`` in JSON's types: mappings, lists, strings, numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    return str(value) if isinstance(value, Path) else value


def canonical(value: Any) -> str:
    """Return the canonical JSON of a plain value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _mount(project: Project, stack: Stack, mount: dict[str, Any], images: Mapping[str, str]) -> dict[str, Any]:
    if mount["kind"] == "image":
        return {**mount, "image": images.get(mount["source"], "")}
    if mount["kind"] == "volume" and mount["source"] in stack.volumes:
        return {**mount, "source": volume_name(project, stack.volumes[mount["source"]])}
    return mount


def _digest(written: Mapping[str, str]) -> str:
    return hashlib.sha256(canonical(dict(written)).encode()).hexdigest()
