"""How one service runs as a process: command, directory, environment and port, from its stack file and Dockerfile."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.model.extension import Process
from devenv.orchestrate.derivation.listening import give_port
from devenv.orchestrate.derivation.nginx import derive_nginx
from devenv.orchestrate.derivation.outcome import Derived, Missing
from devenv.orchestrate.derivation.places import Places
from devenv.orchestrate.derivation.programs import local_program
from devenv.orchestrate.derivation.servers import derive_server
from devenv.orchestrate.derivation.setting import Setting
from devenv.stack.dockerfile import command_line, recipe_of

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack
    from devenv.orchestrate.derivation.outcome import LocalProgram, Machine
    from devenv.stack.dockerfile import Recipe

_OF_THE_IMAGE = frozenset(
    {"PATH", "VIRTUAL_ENV", "HOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "JAVA_HOME", "NODE_PATH"}
)
"""Variables of a Dockerfile that are about the programs in its image."""
_PATHS = re.compile(r"^/[\w./-]+(:/[\w./-]+)*$")


def derive_service(service: Service, stack: Stack, machine: Machine) -> Derived | Missing:
    """Return how ``service`` runs as a process of this machine, or why it cannot.

    Args:
        service: without ``x-devenv.process``.
        stack: of which its directory counts.
        machine: this machine.
    """
    recipe = recipe_of(service.build) if service.build is not None else None
    if service.build is not None and recipe is None:
        return Missing(reason=f"the Dockerfile {service.build.dockerfile} cannot be read")
    words, source = _command(service, recipe)
    setting = _setting(service, stack, recipe, machine)
    image = recipe.image.base if recipe is not None else service.image or ""
    server = derive_server(service, image, setting.places, machine)
    server = server or derive_nginx(service, image, setting.places, machine, _names(stack, service))
    if server is not None:
        return server
    if service.build is None and (not words or setting.places.find(setting.inside) is None):
        return Missing(reason=f"the image {service.image} does not run as a process")
    if not words:
        return Missing(reason="neither the stack file nor the Dockerfile has a command")
    program = local_program(words, setting)
    if isinstance(program, Missing):
        return program
    return _derived(service, recipe, program, setting, source)


def _names(stack: Stack, own: Service) -> tuple[str, ...]:
    """The names under which other services are reached."""
    others = (service for service in stack.services.values() if service.name != own.name)
    return tuple(dict.fromkeys(name for service in others for name in service.host_names))


def _command(service: Service, recipe: Recipe | None) -> tuple[tuple[str, ...], str]:
    """The command line, and what it is from."""
    if recipe is None:
        return command_line(service, None, None), "the stack file"
    of_image = service.command is None and service.entrypoint is None
    words = command_line(service, recipe.image.entrypoint, recipe.image.command)
    return words, "the Dockerfile" if of_image else "the stack file"


def _setting(service: Service, stack: Stack, recipe: Recipe | None, machine: Machine) -> Setting:
    context = Path(service.build.context) if service.build is not None else stack.directory
    places = Places(context=context, recipe=recipe, mounts=service.mounts)
    inside = service.working_dir or (recipe.image.working_directory if recipe else "") or "/"
    return Setting(places=places, inside=inside, cwd=places.folder(inside), root=stack.directory, machine=machine)


def _derived(service: Service, recipe: Recipe | None, program: LocalProgram, setting: Setting, source: str) -> Derived:
    image = (
        {name: value for name, value in recipe.image.environment.items() if name not in _OF_THE_IMAGE} if recipe else {}
    )
    own = {name: _local(value, setting) for name, value in image.items() if name not in service.environment}
    ports = tuple(port for port in (recipe.image.ports if recipe else ()) if port not in service.container_ports)
    first = next(iter((*service.container_ports, *ports)), None)
    given = give_port(program.words, first, {**own, **service.environment}, setting.cwd)
    process = Process(
        command=given.words,
        cwd=os.path.relpath(setting.cwd, setting.root),
        env=own,
        port_env=given.variable,
        same_port=first is not None,
    )
    said = [f"from {source}", *([f"{given.variable} for {first}"] if first else []), *filter(None, [program.note])]
    return Derived(
        process=process,
        line=f"{service.name}: in {process.cwd}: {shlex.join(given.words)} ({'; '.join(said)})",
        ports=ports,
        listens=bool(service.container_ports) or (bool(ports) and source == "the Dockerfile"),
        fixed_port=first is not None and not given.certain,
    )


def _local(value: str, setting: Setting) -> str:
    """A value that is a path of the image, or several, led to this machine as far as its files are here."""
    if not _PATHS.match(value):
        return value
    return ":".join(str(setting.places.find(path) or path) for path in value.split(":"))
