"""From an instance of the stack to a local process: its command, its neighbours, and what is not supported."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.engine.process.launch import Launch, Listening, Peer, TraceFolder
from devenv.errors import ConfigurationError
from devenv.otlp.backend_ports import EMBEDDED_PORTS, SAMPLING_PORT

if TYPE_CHECKING:
    from devenv.contract.specification import InstanceSpec
    from devenv.model.extension import Jaeger
    from devenv.model.stack import Service, Stack

_REFUSED = (
    ("secrets", "secrets"),
    ("configs", "configs"),
    ("network_mode", "network_mode"),
    ("user", "user"),
    ("privileged", "privileged"),
    ("cap_add", "cap_add"),
    ("pid", "pid"),
    ("dns", "dns"),
    ("extra_hosts", "extra_hosts"),
    ("read_only", "read_only"),
)
_REFUSED_OPTIONS = (
    *("devices", "device_cgroup_rules", "gpus", "reserved_devices", "sysctls", "runtime", "volumes_from", "group_add"),
    *("dns_search", "dns_opt", "domainname", "mac_address", "userns_mode"),
)
"""Keys that a process on this machine cannot be given; images, builds, networks and volumes have no meaning there."""


def launch_of(spec: InstanceSpec) -> Launch:
    """Return an instance as the daemon runs it.

    Raises:
        ConfigurationError: If the service has no ``x-devenv.process``, or needs what a local process cannot have.
    """
    service = spec.service
    if is_backend(service, spec.stack):
        return _backend(spec)
    refuse_what_cannot_be(service)
    process = service.x.process
    assert process is not None  # noqa: S101 - refuse_what_cannot_be has seen to it; for the type checker
    command = tuple(shlex.split(process.command)) if isinstance(process.command, str) else process.command
    directory = spec.stack.directory if spec.stack else Path()
    return Launch(
        id=f"{service.name}-{spec.index}",
        name=spec.name,
        service=service.name,
        index=spec.index,
        labels=dict(spec.labels),
        command=command,
        cwd=str((directory / process.cwd).resolve()),
        environment={"PATH": _path(service), **service.environment, **process.env},
        ports=_with_first(listening(service, _published(spec.stack)), process.port),
        peers=_peers(spec.stack) if spec.stack else (),
        port_env=process.port_env,
        restart=service.restart.policy,
        maximum=service.restart.maximum,
        stop_signal=service.stop_signal or "SIGTERM",
        grace=service.stop_grace_period,
        limits={name: (limit.soft, limit.hard) for name, limit in service.ulimits.items()},
        places={name: str(place) for name, place in service.process_places.items()},
    )


def refuse_what_cannot_be(service: Service) -> None:
    """Raise for the first key of a service that a local process cannot be given."""
    if service.x.process is None:
        raise ConfigurationError(
            f"service {service.name} has no x-devenv.process, which the process engine requires",
            location=service.location,
            key=f"services.{service.name}.x-devenv.process",
            expected="process: {command: …}",
            hint="add x-devenv.process, or start a Docker engine and use --engine docker",
        )
    given = [key for key, attribute in _REFUSED if getattr(service, attribute)]
    for key in (*given, *(key for key in _REFUSED_OPTIONS if key in service.options)):
        raise _not_supported(service, "deploy.resources.reservations.devices" if key == "reserved_devices" else key)
    _refuse_hooks(service)


def _refuse_hooks(service: Service) -> None:
    """Refuse what a command beside a process cannot have: another user, more rights, a container's directory."""
    for name in ("post_start", "pre_stop"):
        for index, hook in enumerate(getattr(service, name)):
            for key in ("user", "privileged", "working_dir"):
                if getattr(hook, key):
                    raise _not_supported(service, f"{name}[{index}].{key}")


def _not_supported(service: Service, key: str) -> ConfigurationError:
    return ConfigurationError(
        f"{service.name}: the process engine does not support {key}",
        location=service.location,
        key=f"services.{service.name}.{key}",
        hint="use --engine docker, or remove the key for this engine in a second -f file",
    )


def is_backend(service: Service, stack: Stack | None) -> bool:
    """Whether the embedded backend replaces this service."""
    backend = stack.trace_backend if stack else None
    return service.x.role == "trace-backend" or (backend is not None and backend.name == service.name)


def listening(service: Service, taken: frozenset[int] = frozenset()) -> tuple[Listening, ...]:
    """TCP ports of a service, with the published ones as published.

    Args:
        service: as resolved.
        taken: numbers that its unpublished ports do not have on this machine, because the stack publishes them.
    """
    published = {port.container: port for port in service.ports if port.protocol == "tcp"}
    same = service.x.process is not None and service.x.process.same_port
    return tuple(
        Listening(
            container=number,
            host=published[number].host if number in published else None,
            same=same and number not in taken,
            published=number in published,
        )
        for number in service.container_ports
    )


def _with_first(ports: tuple[Listening, ...], first: int | None) -> tuple[Listening, ...]:
    """The ports with that of ``port_env`` in front."""
    return tuple(sorted(ports, key=lambda port: port.container != first))


def _published(stack: Stack | None) -> frozenset[int]:
    services = stack.services.values() if stack else ()
    return frozenset(port.host for service in services for port in service.ports if port.host is not None)


def backend_ports(service: Service, stack: Stack | None) -> tuple[Listening, ...]:
    """The embedded backend's ports: as published, else Jaeger's own numbers if those are free."""
    numbers = (*EMBEDDED_PORTS, SAMPLING_PORT) if _strategies(stack) else EMBEDDED_PORTS
    published = {port.container: port for port in listening(service) if port.host is not None}
    return tuple(published.get(number) or Listening(container=number, same=True) for number in numbers)


def _strategies(stack: Stack | None) -> dict[str, Any]:
    """What SDKs get that poll; empty if the stack has no ratios of services and operations."""
    from devenv.contract.sampling_strategies import strategies_of  # needs pydantic, and the daemon imports this module

    return strategies_of(stack.x.sampling if stack else None)


def _backend(spec: InstanceSpec) -> Launch:
    service = spec.service
    return Launch(
        id=f"{service.name}-{spec.index}",
        name=spec.name,
        service=service.name,
        index=spec.index,
        labels=dict(spec.labels),
        kind="backend",
        access=spec.stack.x.backend.access if spec.stack else "open",
        cors_origins=spec.stack.x.jaeger.cors_origins if spec.stack else (),
        storage=_trace_folder(spec.stack.x.jaeger) if spec.stack else None,
        strategies=_strategies(spec.stack),
        ports=backend_ports(service, spec.stack),
    )


TRACES = "volumes/jaeger-data"
"""Below ``.devenv/``: the counterpart of Jaeger's volume, kept and removed like the data of other named volumes."""


def _trace_folder(settings: Jaeger) -> TraceFolder | None:
    if settings.storage == "memory":
        return None
    return TraceFolder(path=TRACES, max_bytes=settings.max_bytes, max_age=settings.max_age)


def _peers(stack: Stack) -> tuple[Peer, ...]:
    """Every service by the names under which it is reached on its networks."""
    found = []
    taken = _published(stack)
    for service in stack.services.values():
        links = [
            text.partition(":")[::2] for other in stack.services.values() for text in other.options.get("links", ())
        ]
        linked = [alias for target, alias in links if target == service.name]
        ports = listening(service, taken)
        if is_backend(service, stack):
            ports = backend_ports(service, stack)
        names = tuple(dict.fromkeys([*service.host_names, *filter(None, linked)]))
        found.append(Peer(service=service.name, names=names, ports=ports))
    return tuple(found)


def _path(service: Service) -> str:
    """PATH with devenv's own interpreter first, so that ``python`` is the one that has the sample's packages."""
    inherited = service.environment.get("PATH") or os.environ.get("PATH") or os.defpath
    return f"{Path(sys.executable).parent}{os.pathsep}{inherited}"
