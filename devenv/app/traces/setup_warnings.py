"""Warnings about tracing settings that cannot work, before anything is started."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.analysis.causes import Setting, find_fault
from devenv.app.traces.called_services import traced_services
from devenv.app.traces.setups import ENDPOINT_VARIABLES, PROTOCOL_VARIABLES, setup_of
from devenv.model.stack import StackWarning

if TYPE_CHECKING:
    from devenv.app.invocation import LoadedStack
    from devenv.contract.capabilities import Capabilities
    from devenv.errors import Location
    from devenv.model.stack import Service, Stack

_VARIABLES: dict[Setting, tuple[str, ...]] = {
    "disabled": ("OTEL_SDK_DISABLED",),
    "exporter": ("OTEL_TRACES_EXPORTER",),
    "sampler": ("OTEL_TRACES_SAMPLER",),
    "endpoint": ENDPOINT_VARIABLES,
    "protocol": PROTOCOL_VARIABLES,
}


def setup_warnings(stack: Stack, capabilities: Capabilities | None) -> tuple[StackWarning, ...]:
    """Return a warning for each service whose settings prevent its traces, at the place of the setting.

    Args:
        stack: as resolved from its files, before devenv adds tracing.
        capabilities: of the engine that the stack runs on; ``None`` if it is not chosen yet. A service with an image
            then counts as a container.
    """
    found = []
    for name in traced_services(stack):
        service = stack.services[name]
        in_container = service.image is not None or service.build is not None
        shared = capabilities.shared_loopback if capabilities else not in_container
        fault = find_fault(setup_of(stack, service, shared_loopback=shared))
        if fault is not None and fault.setting in _VARIABLES:
            place = _place(service, _VARIABLES[fault.setting])
            found.append(StackWarning(message=f"{name} {fault.text}", location=place or service.location))
    return tuple(found)


def with_setup_warnings(loaded: LoadedStack, capabilities: Capabilities | None) -> LoadedStack:
    """Return the stack with these warnings added to its own."""
    found = setup_warnings(loaded.stack, capabilities)
    return replace(loaded, stack=replace(loaded.stack, warnings=(*loaded.stack.warnings, *found)))


def _place(service: Service, variables: tuple[str, ...]) -> Location | None:
    return next((service.tracing_places[name] for name in variables if name in service.tracing_places), None)
