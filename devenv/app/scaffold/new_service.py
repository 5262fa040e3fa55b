"""``devenv new service``: adds a traced service from a template to stack file and gateway.

All changes are computed first, and the edited stack is loaded as any command would load it; only then are they
written. The service has its own image, built from the Dockerfile in its folder, even if the other services share one.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from devenv.app.invocation import find_stack, load_found
from devenv.app.scaffold.changes import Changes, read_text
from devenv.app.scaffold.gateway import by_hand, connect_gateway, find_gateway
from devenv.app.scaffold.library import library_changes
from devenv.app.scaffold.names import check_name
from devenv.app.scaffold.port_choice import choose_port, upstream_urls
from devenv.app.scaffold.service_entry import NewService, add_service
from devenv.app.scaffold.templates import DEFAULT, render
from devenv.errors import UsageError
from devenv.immutable import immutable
from devenv.model.scaffold import NewServiceDocument
from devenv.stack.discovery import shipped_stacks
from devenv.stack.edit import YamlText, read_pieces

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from devenv.app.invocation import Invocation
    from devenv.model.stack import Stack
    from devenv.stack.discovery import Discovery


@immutable(kw_only=True)
class ServiceWish:
    """The requested service; ``port`` ``None``: the first free one."""

    name: str
    template: str = DEFAULT
    port: int | None = None
    upstreams: tuple[str, ...] = ()


def new_service(invocation: Invocation, wish: ServiceWish, *, dry_run: bool = False) -> NewServiceDocument:
    """Add a service to the stack of the invocation; if there is an error, nothing is changed.

    Args:
        invocation: selects the stack; the service's folder is created beside the stack's first file.
        wish: the service.
        dry_run: write nothing, and return the edits as a diff.

    Raises:
        UsageError: If the name or the port is not valid, or the stack is not part of the project.
        UnknownName: If the template or an upstream does not exist.
        ConfigurationError: If a file of the project cannot be edited.
        EnvironmentFailure: If a file cannot be written.
    """
    if invocation.texts:
        raise UsageError("`new service` cannot change the standard input", hint="pass the stack file with -f FILE")
    found = find_stack(invocation)
    _check_own(found)
    stack = _load(invocation, found, {})
    folder = found.files[0].parent
    check_name(wish.name, folder, _services(found, stack))
    new = NewService(
        name=wish.name,
        port=choose_port(stack, wish.port),
        upstreams=upstream_urls(stack, tuple(dict.fromkeys(wish.upstreams))),
    )
    changes, left = _changes(found.files[0], stack, new, wish.template)
    edited = _load(invocation, found, {path: after for path, (_, after) in changes.edited.items()})
    left += _apart(edited, new)
    if not dry_run:
        changes.make()
    return NewServiceDocument(
        service=new.name,
        package=new.package,
        template=wish.template,
        port=new.port,
        folder=str(folder),
        created=_relative(changes.created, folder),
        edited=_relative((*changes.edited, *changes.replaced), folder),
        removed=_relative(changes.removed, folder),
        dry_run=dry_run,
        diff=changes.diff(folder) if dry_run else "",
        by_hand=left,
        next=[f"python -m pytest {new.package}", _up(invocation)],
    )


def _changes(stack_path: Path, stack: Stack, new: NewService, template: str) -> tuple[Changes, list[str]]:
    """All changes, and what is left to do by hand."""
    folder = stack_path.parent
    rendered = render(template, service=new.name, module=new.package, port=new.port)
    before = read_text(stack_path)
    stack_file = YamlText(before, str(stack_path))
    gateway = find_gateway(stack, stack_file, folder)
    # the gateway will wait for the new service, so the new service cannot wait for the gateway
    waits_for = tuple(name for name in new.upstreams if gateway is None or name != gateway.service)
    add_service(stack_file, new, rendered.block, waits_for=waits_for)
    edited: dict[Path, tuple[str, str]] = {}
    if gateway is None:
        left = by_hand(new)
    else:
        original = gateway.config.text
        left = connect_gateway(gateway, stack_file, stack, new)
        edited[gateway.path] = (original, gateway.config.text)
    edited[stack_path] = (before, stack_file.text)
    files = {folder / new.package / path: text for path, text in rendered.files.items()}
    config = folder / new.package / "config.yaml"
    files[config] = _with_upstreams(files[config], str(config), new.upstreams)
    created = {path: text.encode() for path, text in files.items()}
    _, library = library_changes(folder)
    return Changes(created=created, edited=edited).after(library), left


def _with_upstreams(text: str, file: str, upstreams: Mapping[str, str]) -> str:
    """The service's config.yaml with the URLs that its upstreams have without a stack."""
    config = YamlText(text, file)
    for name, url in upstreams.items():
        config.add(("upstreams",), name, f"http://127.0.0.1:{url.rpartition(':')[2]}")
    return config.text


def _apart(stack: Stack, new: NewService) -> list[str]:
    """A line for each upstream or caller of the new service that shares no network with it."""
    own = {each.network for each in stack.services[new.name].networks}
    callers = [service.name for service in stack.services.values() if new.variable in service.environment]
    found = []
    for name in (*new.upstreams, *callers):
        others = [each.network for each in stack.services[name].networks]
        if others and own.isdisjoint(others):
            found.append(f"add services.{new.name} to the networks [{', '.join(others)}] of {name}")
    return found


def _check_own(found: Discovery) -> None:
    shipped = shipped_stacks()
    inside = shipped.name.startswith("_") and any(path.is_relative_to(shipped) for path in found.files)
    if found.source == "packaged" or inside:
        raise UsageError(
            f"the stack {found.name!r} belongs to devenv, not to {found.directory}",
            hint="create a project with your own copy: `devenv init DIR`",
        )


def _services(found: Discovery, stack: Stack) -> set[str]:
    """Names of all services, in all files and profiles."""
    names = {*stack.services, *stack.inactive}
    for path in found.files:
        root = read_pieces(read_text(path), str(path))
        services = root.entries.get("services") if root is not None else None
        names |= set(services.entries if services is not None else ())
    return names


def _load(invocation: Invocation, found: Discovery, texts: Mapping[Path, str]) -> Stack:
    return load_found(invocation, found, texts=texts)


def _relative(paths: Mapping[Path, object] | tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def _up(invocation: Invocation) -> str:
    files = [word for path in invocation.files for word in ("-f", str(path))]
    stack = ["-s", invocation.stack] if invocation.stack else []
    return shlex.join(["devenv", *files, *stack, "up"])
