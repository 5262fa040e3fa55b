"""Loads stack files into the stack model: merge the documents, read the services, check the result.

Only unreadable YAML stops at once. Every other problem is recorded and the wrong value counts as absent; at the end the
first problem by place is raised with all others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from devenv.errors import UnknownName
from devenv.immutable import immutable
from devenv.model.extension import StackExtension
from devenv.model.identity import slug
from devenv.model.stack import Network, Service, Stack
from devenv.stack.checks.conflicts import check_conflicts
from devenv.stack.checks.merged_stack import MergedStack
from devenv.stack.checks.references import check_references
from devenv.stack.checks.tracing_setup import check_tracing_setup
from devenv.stack.discovery import first_file
from devenv.stack.documents.merged_document import read_document
from devenv.stack.documents.scope import ReadingScope
from devenv.stack.env.interpolation import Lookup, Variable
from devenv.stack.env.project import DISABLE_VARIABLE, FILES_VARIABLE, read_variables
from devenv.stack.origins import Origins, collect_origins
from devenv.stack.problems import Problems
from devenv.stack.readers import keys
from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import EXTENSION, Cursor, Fields
from devenv.stack.readers.networking import DEFAULT_NETWORK
from devenv.stack.readers.service_section import read_service
from devenv.stack.readers.top_level import read_networks, read_sources, read_volumes
from devenv.stack.readers.x_devenv import read_extension
from devenv.stack.yaml.nodes import MapNode
from devenv.suggestions import suggest

_PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PROFILES_VARIABLE = "COMPOSE_PROFILES"
_NAME_VARIABLE = "COMPOSE_PROJECT_NAME"
_NAME_RULE = "lowercase letters, digits, _ and -, starting with a letter or digit"
_EVERY_PROFILE = "*"


@immutable()
class Loaded:
    """A stack, the origins of its values, and the ``COMPOSE_*`` variables that it depends on."""

    stack: Stack
    origins: Origins
    settings: Mapping[str, Variable]


def load(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
    texts: Mapping[Path, str] = MappingProxyType({}),
    working_directory: Path | None = None,
) -> Loaded:
    """Load a stack; see :func:`devenv.stack.load_stack`."""
    problems = Problems()
    context = _context(first_file(files), working_directory, environ, problems)
    name = _project_name(context.lookup, problems)
    if name is not None:
        context.origins["name"] = f"${_NAME_VARIABLE} from {name.origin}"
    scope = ReadingScope(context.directory, context.home, context.lookup)
    read = read_document(files, texts, scope, slug(context.directory.name), problems)
    stack = _stack(read.node, files, context, _active_profiles(profiles, context.lookup), services)
    problems.check(read.files)
    if name is not None:
        stack = replace(stack, name=name.value)
    return Loaded(stack, collect_origins(read.node, context.origins), _settings(context.lookup, profiles))


def _context(first: Path, working: Path | None, environ: Mapping[str, str], problems: Problems) -> Context:
    """The project's directory is that of the first file."""
    directory = first.absolute().parent
    lookup = read_variables(
        environ, problems, working=working or Path.cwd(), directories=(*((working,) if working else ()), directory)
    )
    return Context(directory=directory, environ=environ, lookup=lookup, problems=problems)


def _project_name(lookup: Lookup, problems: Problems) -> Variable | None:
    """``COMPOSE_PROJECT_NAME``, which takes precedence over ``name:``; empty counts as not set."""
    variable = lookup(_NAME_VARIABLE)
    if variable is None or not variable.value:
        return None
    if _PROJECT_NAME.fullmatch(variable.value):
        return variable
    problems.add(
        f"{_NAME_VARIABLE} from {variable.origin}: {variable.value!r} is not a valid project name",
        key=_NAME_VARIABLE,
        expected=_NAME_RULE,
        hint=f"write {slug(variable.value)}",
    )
    return None


def _settings(lookup: Lookup, profiles: Sequence[str]) -> dict[str, Variable]:
    """The variables of Compose that this stack depends on, if they are set."""
    names = [_NAME_VARIABLE, FILES_VARIABLE, DISABLE_VARIABLE] + ([] if profiles else [_PROFILES_VARIABLE])
    return {name: variable for name in names if (variable := lookup(name)) is not None and variable.value}


def _stack(
    document: MapNode, files: Sequence[Path], context: Context, wanted: frozenset[str], named: Sequence[str]
) -> Stack:
    """The stack that the merged document describes, for the active profiles."""
    problems = context.problems
    top = Cursor(document, "", problems).fields(keys.TOP, refused=keys.TOP_REFUSED, extension=True)
    x = read_extension(top.get(EXTENSION), StackExtension)
    services = _services(top, context)
    if not services and not problems.found:
        problems.add("no services defined", document.place, key="services", expected="services:")
    wanted = _with_named(services, wanted, named)
    active = {name: service for name, service in services.items() if _is_active(service, wanted)}
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
        volumes=read_volumes(top, context),
        secrets=read_sources(top, "secrets", context),
        configs=read_sources(top, "configs", context),
        inactive=inactive,
        warnings=tuple(problems.warnings),
    )
    merged = MergedStack(document=document, active=active, inactive=inactive, x=x, problems=problems)
    check_references(merged)
    check_conflicts(merged)
    check_tracing_setup(merged)
    return replace(stack, services={name: _without_absent(service, active) for name, service in active.items()})


def _without_absent(service: Service, active: Mapping[str, Service]) -> Service:
    """``service`` without its optional dependencies on services that do not run."""
    kept = tuple(dependency for dependency in service.depends_on if dependency.service in active)
    return service if kept == service.depends_on else replace(service, depends_on=kept)


def _services(top: Fields, context: Context) -> dict[str, Service]:
    read = {name: read_service(name, member, context) for name, member in top.each("services").items()}
    return {name: service for name, service in read.items() if service is not None}


def _active_profiles(given: Sequence[str], lookup: Lookup) -> frozenset[str]:
    """The profiles ``given``, else those of ``COMPOSE_PROFILES`` (separated by commas)."""
    if given:
        return frozenset(given)
    variable = lookup(_PROFILES_VARIABLE)
    names = variable.value.split(",") if variable else []
    return frozenset(name.strip() for name in names if name.strip())


def _is_active(service: Service, profiles: frozenset[str]) -> bool:
    """Whether ``service`` runs: it has no profiles, one of its profiles is active, or ``*`` is."""
    return not service.profiles or _EVERY_PROFILE in profiles or bool(profiles & frozenset(service.profiles))


def _with_named(services: Mapping[str, Service], wanted: frozenset[str], named: Sequence[str]) -> frozenset[str]:
    """``wanted`` and the profiles of the services in ``named``.

    Raises:
        UnknownName: If one of them does not exist.
    """
    for name in named:
        if name not in services:
            known = ", ".join(services) or "none"
            raise UnknownName(
                f"no service {name!r} in the stack; available: {known}",
                hint=suggest(name, services),
                details={"name": name, "known": list(services)},
            )
        if not _is_active(services[name], wanted):
            wanted |= frozenset(services[name].profiles)
    return wanted


def _name(top: Fields) -> str | None:
    member, name = top.get("name"), top.text("name")
    if member is not None and name is not None and not _PROJECT_NAME.fullmatch(name):
        member.error(f"{name!r} is not a valid project name", expected=_NAME_RULE, hint=f"write {slug(name)}")
    return name
