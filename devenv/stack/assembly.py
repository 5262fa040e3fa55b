"""Stack files -> the stack model: read, interpolate, make canonical, merge, read services, check.

Only unreadable YAML stops at once; every other problem is noted, what is wrong counts as absent from there on, and the
first problem by place is raised in the end with all others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from devenv.errors import Location, StackFileError, UnknownName
from devenv.model.extension import StackExtension
from devenv.model.identity import slug
from devenv.model.stack import Network, Service, Stack
from devenv.stack import keys
from devenv.stack.canonical import canonical
from devenv.stack.checks import check
from devenv.stack.context import Context
from devenv.stack.cursor import EXTENSION, Cursor, Fields
from devenv.stack.dotenv import read_dotenv
from devenv.stack.extension import read_extension
from devenv.stack.interpolation import Lookup, Variable
from devenv.stack.merging import merge
from devenv.stack.networking import DEFAULT_NETWORK
from devenv.stack.nodes import MapNode, ScalarNode, describe, is_null
from devenv.stack.problems import Problems, as_problem, suggest
from devenv.stack.profiles import active_profiles, is_active
from devenv.stack.provenance import Origins, collect_origins
from devenv.stack.reading import display, plain_text, read_text
from devenv.stack.resources import read_networks, read_sources, read_volumes
from devenv.stack.services import read_service
from devenv.stack.variables import interpolate, lookup_in
from devenv.stack.whole import Whole
from devenv.stack.yaml12 import parse

_PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PROJECT_VARIABLE = "COMPOSE_PROJECT_NAME"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A stack, and where its values came from."""

    stack: Stack
    origins: Origins


def load(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
    texts: Mapping[Path, str] = MappingProxyType({}),
) -> Loaded:
    """Loads a stack; see :func:`devenv.stack.load_stack`."""
    problems = Problems()
    shown = [display(path) for path in files]
    context = _context(files[0], environ, problems)
    document = _document(files, texts, context, problems)
    stack = _stack(document, files, context, active_profiles(profiles, context.lookup), services)
    problems.check(shown)
    return Loaded(stack, collect_origins(document, context.origins))


def _context(first: Path, environ: Mapping[str, str], problems: Problems) -> Context:
    """The project's directory is that of the first file; its ``.env`` comes after the environment."""
    directory = first.absolute().parent
    dotenv = directory / ".env"
    variables: dict[str, Variable] = {}
    if _is_there(dotenv):
        variables = read_dotenv(dotenv, lookup_in(environ), problems)
    return Context(directory=directory, environ=environ, lookup=lookup_in(environ, variables), problems=problems)


def _is_there(dotenv: Path) -> bool:
    """Whether there is a ``.env``; where its directory cannot be searched, the stack file's own error says so."""
    try:
        return dotenv.is_file()
    except OSError:
        return False


def _document(files: Sequence[Path], texts: Mapping[Path, str], context: Context, problems: Problems) -> MapNode:
    """All files as one canonical document."""
    parsed = [document for path in files for document in _parse(path, texts.get(path), problems)]
    problems.check(display(path) for path in files)
    lookup = _with_project_name(parsed, context, problems)
    layers: list[MapNode] = []
    for document in parsed:
        interpolated = interpolate(document, lookup, problems)
        if isinstance(interpolated, MapNode):
            layers.append(canonical(interpolated, problems))
    return merge(layers, problems)


def _parse(path: Path, text: str | None, problems: Problems) -> list[MapNode]:
    """The documents of one file (of ``text``, if given); several in one file are merged like several files."""
    shown = display(path)
    try:
        nodes = parse(read_text(path) if text is None else plain_text(text), shown, problems)
    except StackFileError as error:
        problems.found.append(as_problem(error))
        return []
    documents = [node for node in nodes if not is_null(node)]
    if not documents:
        problems.add("the file is empty", Location(shown, 1, 1), expected="a mapping with services:")
    for node in documents:
        if not isinstance(node, MapNode):
            problems.add(
                "a stack file is a mapping", node.place, found=describe(node), expected="a mapping with services:"
            )
    return [node for node in documents if isinstance(node, MapNode)]


def _with_project_name(documents: Sequence[MapNode], context: Context, problems: Problems) -> Lookup:
    """The context's lookup; ``COMPOSE_PROJECT_NAME`` is there as well, as in Compose."""
    name = slug(context.directory.name)
    for document in documents:
        node = document.get("name")
        resolved = interpolate(node, context.lookup, problems, "name") if node is not None else None
        if isinstance(resolved, ScalarNode) and isinstance(resolved.value, str) and resolved.value:
            name = resolved.value
    project = Variable(name, "the name of the project")

    def lookup(variable: str) -> Variable | None:
        found = context.lookup(variable)
        return project if found is None and variable == _PROJECT_VARIABLE else found

    return lookup


def _stack(
    document: MapNode, files: Sequence[Path], context: Context, wanted: frozenset[str], named: Sequence[str]
) -> Stack:
    """The stack that the merged document describes, for the active profiles."""
    problems = context.problems
    top = Cursor(document, "", problems).fields(keys.TOP, refused=keys.TOP_REFUSED, extension=True)
    x = read_extension(top.get(EXTENSION), StackExtension)
    services = _services(top, context)
    if not services and not problems.found:
        problems.add("no service is defined", document.place, key="services", expected="services:")
    wanted = _with_named(services, wanted, named)
    active = {name: service for name, service in services.items() if is_active(service, wanted)}
    inactive = tuple(name for name in services if name not in active)
    networks = read_networks(top)
    if any(a.network == DEFAULT_NETWORK for service in active.values() for a in service.networks):
        networks.setdefault(DEFAULT_NETWORK, Network(key=DEFAULT_NETWORK))
    stack = Stack(
        name=_name(top),
        directory=context.directory,
        files=tuple(path.absolute() for path in files),
        services=active,
        x=x,
        networks=networks,
        volumes=read_volumes(top),
        secrets=read_sources(top, "secrets", context),
        configs=read_sources(top, "configs", context),
        inactive=inactive,
        warnings=tuple(problems.warnings),
    )
    check(Whole(document=document, active=active, inactive=inactive, x=x, problems=problems))
    return replace(stack, services={name: _without_absent(service, active) for name, service in active.items()})


def _without_absent(service: Service, active: Mapping[str, Service]) -> Service:
    """``service`` without its optional dependencies on services that do not run."""
    kept = tuple(dependency for dependency in service.depends_on if dependency.service in active)
    return service if kept == service.depends_on else replace(service, depends_on=kept)


def _services(top: Fields, context: Context) -> dict[str, Service]:
    read = {name: read_service(name, member, context) for name, member in top.each("services").items()}
    return {name: service for name, service in read.items() if service is not None}


def _with_named(services: Mapping[str, Service], wanted: frozenset[str], named: Sequence[str]) -> frozenset[str]:
    """``wanted`` and the profiles of services that are asked for by name.

    Raises:
        UnknownName: there is no such service.
    """
    for name in named:
        if name not in services:
            known = ", ".join(services) or "none"
            raise UnknownName(
                f"no service {name!r} in the stack; there are: {known}",
                hint=suggest(name, services),
                details={"name": name, "known": list(services)},
            )
        if not is_active(services[name], wanted):
            wanted |= frozenset(services[name].profiles)
    return wanted


def _name(top: Fields) -> str | None:
    member, name = top.get("name"), top.text("name")
    if member is not None and name is not None and not _PROJECT_NAME.fullmatch(name):
        expected = "lower-case letters, digits, _ and -, a letter or digit first"
        member.error(f"{name!r} cannot be the name of a project", expected=expected, hint=f"write {slug(name)}")
    return name
