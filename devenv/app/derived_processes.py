"""Services without ``x-devenv.process`` on an engine of processes: what was derived for them, and what could not be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.app.record import STATE
from devenv.events import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.app.invocation import LoadedStack
    from devenv.contract.capabilities import Capabilities
    from devenv.events import Sink
    from devenv.model.extension import Process
    from devenv.model.stack import Stack


def with_derived_processes(
    loaded: LoadedStack,
    capabilities: Capabilities,
    environ: Mapping[str, str],
    services: tuple[str, ...],
    sink: Sink,
) -> LoadedStack:
    """Return the stack with a process for each service, as far as that can be derived, and say what was.

    Args:
        loaded: as read.
        capabilities: of the engine; on one of containers nothing is derived.
        environ: with the PATH of the services.
        services: those that are started with what they need; empty: all.
        sink: gets a line for each derived service.

    Raises:
        ConfigurationError: One for all services that are needed and for which nothing could be derived.
    """
    if not capabilities.processes or all(service.x.process for service in loaded.stack.services.values()):
        return loaded
    from devenv.orchestrate.derivation.stack import derive_stack
    from devenv.orchestrate.derivation.this_machine import this_machine
    from devenv.orchestrate.selection import select

    derivation = derive_stack(loaded.stack, this_machine(environ, loaded.project.directory / STATE))
    known = tuple(name for name in services if name in derivation.stack.services)
    needed = select(derivation.stack, known) if known or not services else ()
    derivation.require(needed)
    for name in needed:
        if name in derivation.derived:
            sink(Notice(message=f"derived: {derivation.derived[name].line}"))
    for text in derivation.warnings:
        sink(Notice(message=text, warning=True))
    return replace(loaded, stack=derivation.stack)


def process_of(stack: Stack, environ: Mapping[str, str]) -> dict[str, Process]:
    """Return ``x-devenv.process`` by service, for those for which it can be derived."""
    from devenv.orchestrate.derivation.stack import derive_stack
    from devenv.orchestrate.derivation.this_machine import this_machine

    derived = derive_stack(stack, this_machine(environ, stack.directory / STATE)).derived
    return {name: item.process for name, item in derived.items()}


def derived_stack(stack: Stack, environ: Mapping[str, str]) -> Stack:
    """Return ``stack`` with a process for each service for which it can be derived."""
    from devenv.orchestrate.derivation.stack import derive_stack
    from devenv.orchestrate.derivation.this_machine import this_machine

    return derive_stack(stack, this_machine(environ, stack.directory / STATE)).stack
