"""A stack's gateway, where it is one like the sample's: how a new service gets a route and a part in the canary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.app.scaffold.changes import read_text
from devenv.app.scaffold.names import package_of
from devenv.app.scaffold.service_entry import NewService, add_dependency, add_variable
from devenv.errors import ConfigurationError
from devenv.stack.edit import YamlText

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.model.stack import Stack

_PROFILE = "/api/profile"
"""The gateway's route that asks the services of ``profile.include``."""
_OWN = frozenset({"overview", "profile"})
"""Routes below /api that the gateway answers itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway.

    Attributes:
        service: its name in the stack.
        path: of its config.yaml.
        config: that file, edited in place.
    """

    service: str
    path: Path
    config: YamlText


def find_gateway(stack: Stack, stack_file: YamlText, folder: Path) -> Gateway | None:
    """The service of the stack whose folder has a config.yaml with ``upstreams`` and ``routes``.

    Raises:
        ConfigurationError: such a config.yaml cannot be read.
    """
    for name in stack.services:
        path = folder / package_of(name) / "config.yaml"
        if stack_file.find(("services", name)) is None or not path.is_file():
            continue
        config = YamlText(read_text(path), str(path))
        upstreams, routes = config.find(("upstreams",)), config.find(("routes",))
        if upstreams is not None and routes is not None and routes.kind == "list":
            return Gateway(service=name, path=path, config=config)
    return None


def connect_gateway(gateway: Gateway, stack_file: YamlText, stack: Stack, new: NewService) -> list[str]:
    """Give the new service a route, and a part in the profile and in the canary, where the gateway has those.

    Args:
        gateway: its config is edited in place.
        stack_file: edited in place.
        stack: as it was before.
        new: the service.

    Returns:
        What is left to be done by hand.

    Raises:
        ConfigurationError: the gateway has such a route or upstream, or a file cannot be edited.
    """
    config = gateway.config
    prefix = f"/api/{new.name}"
    _check_free(gateway, prefix, new.name)
    config.add(("upstreams",), new.name, f"http://127.0.0.1:{new.port}")
    config.append(("routes",), f'prefix: {prefix}\nupstream: {new.name}\npath: ""\nauthenticate: true')
    add_variable(stack_file, gateway.service, new.variable, new.url)
    add_dependency(stack_file, gateway.service, new.name)
    include = config.find(("profile", "include"))
    if include is None:
        return [f"{gateway.path} has no profile.include: the canary passes {new.name} only where it asks {prefix}"]
    config.append(("profile", "include"), new.name)
    return _extend_canary(gateway, stack_file, stack, new.name)


def by_hand(new: NewService) -> list[str]:
    """What is to be done where the stack has no gateway that can be edited."""
    return [
        f"give whoever calls {new.name} the variable {new.variable}: {new.url}, and {new.name} in its depends_on",
        f"let it ask {new.url}/ with a traced client (devenv.tracing), so that both stand in one trace",
        f"once the canary's request passes {new.name}, add it to x-devenv.canary.services",
    ]


def _check_free(gateway: Gateway, prefix: str, name: str) -> None:
    routes = gateway.config.find(("routes",))
    for route in routes.items if routes is not None else ():
        found = route.entries.get("prefix")
        if found is not None and found.text.rstrip("/") == prefix:
            raise ConfigurationError(
                f"there is a route {prefix} already",
                location=found.location(gateway.config.file),
                key="routes",
                found=found.text,
                hint="choose another name for the service",
            )
    if name in _OWN:
        raise ConfigurationError(
            f"{gateway.service} answers {prefix} itself", key="routes", hint="choose another name for the service"
        )


def _extend_canary(gateway: Gateway, stack_file: YamlText, stack: Stack, name: str) -> list[str]:
    canary, path = stack.x.canary, ("x-devenv", "canary", "services")
    if canary is None or canary.path.partition("?")[0] != _PROFILE or stack.x.entrypoint != gateway.service:
        return [f"the canary does not ask {gateway.service} for {_PROFILE}, so it does not pass {name}"]
    if not canary.services:
        return []  # learnt from what it passes
    listed = stack_file.find(path)
    if listed is None or listed.kind != "list":
        return [f"add {name} to x-devenv.canary.services, which is not a list in {stack_file.file}"]
    stack_file.append(path, name)
    return []
