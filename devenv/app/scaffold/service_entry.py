"""Edits a stack file for a new service: adds its block, and what its callers need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.scaffold.names import package_of, variable_of
from devenv.immutable import immutable
from devenv.stack.edit import YamlText

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.stack.edit import Piece

_TRACING = "tracing"
"""The anchor of the variables for span export, if the file has one."""


@immutable(kw_only=True)
class NewService:
    """The new service.

    Attributes:
        upstreams: URLs of the services that it calls, on the stack's network, by name.
    """

    name: str
    port: int
    upstreams: Mapping[str, str]

    @property
    def package(self) -> str:
        """Its Python package, and its folder."""
        return package_of(self.name)

    @property
    def variable(self) -> str:
        """The variable with its URL in its callers."""
        return variable_of(self.name)

    @property
    def url(self) -> str:
        """Its URL on the stack's network."""
        return f"http://{self.name}:{self.port}"


def add_service(stack_file: YamlText, new: NewService, block: str, *, waits_for: tuple[str, ...]) -> None:
    """Add the service's block to ``services``.

    Args:
        stack_file: edited in place.
        new: the service.
        block: its template, rendered.
        waits_for: upstreams that start before it.

    Raises:
        ConfigurationError: If the file's ``services`` cannot be edited or already contain the service.
    """
    document = YamlText(_without(block, alias=not _has_anchor(stack_file, _TRACING), waiting=bool(waits_for)), new.name)
    for name, url in new.upstreams.items():
        document.add(("environment",), variable_of(name), url)
    for name in waits_for:
        document.add(("depends_on",), name, "condition: service_started\n")
    stack_file.add(("services",), new.name, document.text)


def add_variable(stack_file: YamlText, service: str, variable: str, value: str) -> None:
    """Add a variable to a service's environment, a mapping or a list.

    Raises:
        ConfigurationError: If it cannot be edited or already has the variable.
    """
    path = ("services", service, "environment")
    found = stack_file.find(path)
    if found is None:
        stack_file.add(path[:-1], path[-1], f"{variable}: {value}\n")
    elif found.kind == "list":
        stack_file.append(path, f"{variable}={value}")
    else:
        stack_file.add(path, variable, value)


def add_dependency(stack_file: YamlText, service: str, needed: str) -> None:
    """Make a service start after another one; ``depends_on`` may be a mapping or a list.

    Raises:
        ConfigurationError: If it cannot be edited or already has the other one.
    """
    path = ("services", service, "depends_on")
    found = stack_file.find(path)
    if found is None:
        stack_file.add(path[:-1], path[-1], f"- {needed}\n")
    elif found.kind == "list":
        stack_file.append(path, needed)
    elif found.flow and found.entries:
        stack_file.add(path, needed, "{ condition: service_started }")
    else:
        stack_file.add(path, needed, "condition: service_started\n")


def _without(block: str, *, alias: bool, waiting: bool) -> str:
    """The block without its comment and without keys that do not apply."""
    lines = block.splitlines()
    if alias:
        lines.remove(f"  <<: *{_TRACING}")
    if not waiting:
        lines.remove("depends_on: {}")
    return "\n".join(line for line in lines if not line.startswith("#"))


def _has_anchor(stack_file: YamlText, name: str) -> bool:
    """Whether a mapping at the top level has the anchor, before the services that refer to it."""
    root = stack_file.find(())
    entries: Mapping[str, Piece] = root.entries if root is not None else {}
    services = entries.get("services")
    return services is not None and any(
        piece.anchored and piece.start < services.start and stack_file.text[piece.start :].split()[0] == f"&{name}"
        for piece in entries.values()
    )
