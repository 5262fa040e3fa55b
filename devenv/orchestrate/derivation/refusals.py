"""What an engine cannot give the services of a stack: one message for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.contract.engine import Engine
    from devenv.model.stack import Service, Stack


def check_services(engine: Engine, services: Iterable[Service], stack: Stack) -> None:
    """Refuse services that ``engine`` cannot run.

    Args:
        engine: knows what it cannot do.
        services: those to be started.
        stack: of which they are.

    Raises:
        ConfigurationError: The engine's own for one service; for several, one that lists the first reason of each.
    """
    refused: dict[str, ConfigurationError] = {}
    for service in services:
        try:
            engine.check(service, stack)
        except ConfigurationError as error:
            refused[service.name] = error
    if not refused:
        return
    first, *others = refused.values()
    if not others:
        raise first
    keys = {name: error.key or f"services.{name}" for name, error in refused.items()}
    every = ConfigurationError(
        f"the {engine.name} engine cannot run {len(refused)} services: {', '.join(keys.values())}",
        location=stack.services[next(iter(refused))].location,
        key=next(iter(keys.values())),
        hint=first.hint,
    )
    every.details["services"] = {name: {"key": keys[name], "reason": error.message} for name, error in refused.items()}
    raise every from first
