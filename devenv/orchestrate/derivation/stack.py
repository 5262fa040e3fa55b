"""Derives what the process engine needs for every service of a stack; what cannot be is one error for all services."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError
from devenv.immutable import immutable
from devenv.model.extension import Ready
from devenv.orchestrate.derivation.outcome import Derived, Missing
from devenv.orchestrate.derivation.service import derive_service
from devenv.orchestrate.telemetry.recognition import is_telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devenv.model.stack import Service, Stack
    from devenv.orchestrate.derivation.outcome import Machine


@immutable(kw_only=True)
class Derivation:
    """A stack with ``x-devenv.process`` in every service for which it could be derived.

    Attributes:
        derived: by service.
        missing: why it could not be, by service.
        warnings: about ports.
    """

    stack: Stack
    derived: Mapping[str, Derived]
    missing: Mapping[str, Missing]
    warnings: tuple[str, ...] = ()

    def require(self, names: Iterable[str]) -> None:
        """Refuse services for which nothing could be derived.

        Raises:
            ConfigurationError: One for all of ``names``, with the line for each.
        """
        missing = {name: self.missing[name] for name in names if name in self.missing}
        if not missing:
            return
        first = self.stack.services[next(iter(missing))]
        listed = "; ".join(f"{name}: {item.reason}" for name, item in missing.items())
        count = f"service {first.name} has" if len(missing) == 1 else f"{len(missing)} services have"
        lines = "".join(f"\n  {name}: {item.remedy}" for name, item in missing.items())
        error = ConfigurationError(
            f"{count} no x-devenv.process, which the process engine requires, and none can be derived: {listed}",
            location=first.location,
            key=f"services.{first.name}.x-devenv.process",
            expected="process: {command: …}",
            hint=f"start a Docker engine and use --engine docker, or for each service:{lines}",
        )
        error.details["services"] = {
            name: {"reason": item.reason, "line": item.remedy} for name, item in missing.items()
        }
        raise error


def derive_stack(stack: Stack, machine: Machine) -> Derivation:
    """Derive ``x-devenv.process`` for every service without one, except the trace backend and what it stands in for.

    Args:
        stack: as read from its files.
        machine: this machine.
    """
    backend = stack.trace_backend
    services: dict[str, Service] = dict(stack.services)
    derived: dict[str, Derived] = {}
    missing: dict[str, Missing] = {}
    for service in stack.services.values():
        if service.x.process is not None or (backend is not None and backend.name == service.name):
            continue
        if is_telemetry(service):  # devenv's backend takes its place
            continue
        found = derive_service(service, stack, machine)
        if isinstance(found, Missing):
            missing[service.name] = found
        else:
            derived[service.name] = found
            services[service.name] = _with(service, found)
    return Derivation(
        stack=replace(stack, services=services),
        derived=derived,
        missing=missing,
        warnings=tuple(_about_ports(services, derived)),
    )


def _with(service: Service, found: Derived) -> Service:
    update: dict[str, object] = {"process": found.process}
    has_check = service.healthcheck is not None or (service.x.ready is not None and service.x.ready.has_probe)
    if found.listens and not has_check:
        timeout = service.x.ready.timeout if service.x.ready else None
        update["ready"] = Ready(tcp=found.process.port or True, timeout=timeout)
    check = service.healthcheck
    if check is not None:
        check = replace(check, start_period=max(check.start_period, found.start_period))
    return replace(
        service,
        healthcheck=check,
        x=service.x.model_copy(update=update),
        expose=(*service.expose, *found.ports),
        stop_signal=service.stop_signal or found.stop_signal or None,
    )


def _about_ports(services: Mapping[str, Service], derived: Mapping[str, Derived]) -> Iterable[str]:
    """What cannot be if a program listens on a port that it chooses itself."""
    fixed: dict[int, str] = {}
    for name, item in derived.items():
        service = services[name]
        if not item.fixed_port:
            continue
        port = service.container_ports[0]
        published = next((p.host for p in service.ports if p.container == port and p.host is not None), port)
        if published != port:
            yield (
                f"{name}: nothing says that it reads PORT, and a process that listens on {port} is not reached "
                f"at {published}: publish {port}:{port}, or read PORT in the program"
            )
        elif port in fixed:
            yield f"{name} and {fixed[port]} both listen on {port}: one of them has to read PORT to run as a process"
        fixed.setdefault(port, name)
