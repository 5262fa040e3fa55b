"""Edits a gateway like the sample's: gives a new service a route and adds it to the canary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.scaffold.changes import read_text
from devenv.app.scaffold.names import package_of
from devenv.app.scaffold.service_entry import NewService, add_dependency, add_variable
from devenv.errors import ConfigurationError
from devenv.immutable import immutable
from devenv.stack.edit import YamlText

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.model.stack import Stack

_PROFILE = "/api/profile"
"""The gateway's route that calls the services of ``profile.include``."""
_OWN = frozenset({"overview", "profile"})
"""Routes below /api that the gateway handles itself."""


@immutable(kw_only=True)
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
    """Find the service of the stack whose folder contains a config.yaml with ``upstreams`` and ``routes``.

    Raises:
        ConfigurationError: If such a config.yaml cannot be read.
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
    """Give the new service a route, and add it to the profile and the canary if the gateway has those.

    Args:
        gateway: its config is edited in place.
        stack_file: edited in place.
        stack: before the edits.
        new: the service.

    Returns:
        What is left to do by hand.

    Raises:
        ConfigurationError: If the gateway already has such a route or upstream, or a file cannot be edited.
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
        return [
            f"{gateway.path} has no profile.include: let the canary request {prefix} to have {new.name} in its trace"
        ]
    config.append(("profile", "include"), new.name)
    return _extend_canary(gateway, stack_file, stack, new.name)


def by_hand(new: NewService) -> list[str]:
    """What to do by hand if the stack has no gateway that can be edited."""
    return [
        f"in each service that calls {new.name}, set {new.variable}: {new.url} and add {new.name} to depends_on",
        f"call {new.url}/ with a traced client (devenv.tracing), so that both services are in one trace",
        f"when the canary request reaches {new.name}, add {new.name} to x-devenv.canary.services",
    ]


def _check_free(gateway: Gateway, prefix: str, name: str) -> None:
    routes = gateway.config.find(("routes",))
    for route in routes.items if routes is not None else ():
        found = route.entries.get("prefix")
        if found is not None and found.text.rstrip("/") == prefix:
            raise ConfigurationError(
                f"route {prefix} already exists",
                location=found.location(gateway.config.file),
                key="routes",
                found=found.text,
                hint="choose another name for the service",
            )
    if name in _OWN:
        raise ConfigurationError(
            f"{gateway.service} handles {prefix} itself", key="routes", hint="choose another name for the service"
        )


def _extend_canary(gateway: Gateway, stack_file: YamlText, stack: Stack, name: str) -> list[str]:
    canary, path = stack.x.canary, ("x-devenv", "canary", "services")
    if canary is None or canary.path.partition("?")[0] != _PROFILE or stack.x.entrypoint != gateway.service:
        return [f"the canary does not request {_PROFILE} from {gateway.service}, so it does not reach {name}"]
    if not canary.services:
        return []  # without a list, the canary learns the services that its request reaches
    listed = stack_file.find(path)
    if listed is None or listed.kind != "list":
        return [f"add {name} to x-devenv.canary.services, which is not a list in {stack_file.file}"]
    stack_file.append(path, name)
    return []
