"""Reads a service's environment: ``environment`` over ``env_file``; the shell has the values of names without one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from devenv.errors import Location, StackFileError
from devenv.stack.env.dotenv import read_dotenv
from devenv.stack.env.interpolation import Variable
from devenv.stack.problems import as_problem
from devenv.stack.readers.context import MAXIMUM_ENV_FILES, Context
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.yaml.nodes import ScalarNode, is_null

_PLACE = re.compile(r"(.+?):(\d+):(\d+)(?: \(|$)")
"""The place in an origin such as ``compose.yaml:4:9 ($PORT from .env:1:1)``."""


def read_environment(service: Fields, context: Context) -> dict[str, str]:
    """Return the complete environment, without the names that have no value here or in the shell."""
    own = _own(service, context)
    given = {name: variable for name, variable in own.items() if variable is not None}
    variables: dict[str, Variable] = {}
    for index, item in enumerate(service.items("env_file")):
        for name, variable in _env_file(item, context, given).items():
            variables[name] = Variable(variable.value, f"{variable.origin} (env_file[{index}])")
    variables = {name: variable for name, variable in variables.items() if name not in own} | given
    for name, variable in variables.items():
        context.origins[f"{service.cursor.key}.environment.{name}"] = variable.origin
    return {name: variable.value for name, variable in variables.items()}


def tracing_places(service: Fields, context: Context) -> dict[str, Location]:
    """Return the places of the ``OTEL_*`` variables that a file sets, after :func:`read_environment`."""
    prefix = f"{service.cursor.key}.environment."
    origins = {key.removeprefix(prefix): text for key, text in context.origins.items() if key.startswith(prefix)}
    found = {name: _PLACE.match(text) for name, text in origins.items() if name.startswith("OTEL_")}
    return {name: Location(match[1], int(match[2]), int(match[3])) for name, match in found.items() if match}


def _own(service: Fields, context: Context) -> dict[str, Variable | None]:
    """``environment``, with values from the shell for names without one; ``None`` if the shell has none."""
    variables: dict[str, Variable | None] = {}
    for name, member in service.each("environment").items():
        if not name or "=" in name:
            member.error(f"{name!r} is not a valid variable name", found=name)
        elif is_null(member.node):
            found = context.lookup(name)
            variables[name] = Variable(found.value, f"{member.place} (${name} from {found.origin})") if found else None
        elif (text := member.text()) is not None and isinstance(member.node, ScalarNode):
            variables[name] = Variable(text, member.node.origin)
    return variables


def resolve_pairs(members: Mapping[str, Cursor], context: Context) -> dict[str, str]:
    """Return pairs such as build arguments; a name without a value has the shell's, or is left out."""
    values: dict[str, str] = {}
    for name, member in members.items():
        found = context.lookup(name) if is_null(member.node) else None
        text = found.value if found else None if is_null(member.node) else member.text()
        if text is not None:
            values[name] = text
    return values


def read_labels(service: Fields, context: Context) -> dict[str, str]:
    """Return ``labels`` over those of the files of ``label_file``, of which later ones take precedence."""
    labels: dict[str, str] = {}
    for item in service.items("label_file"):
        text = item.text()
        variables = _variables(item, text, context, {}, "label_file") if text else {}
        for name, variable in variables.items():
            labels[name] = variable.value
            context.origins[f"{service.cursor.key}.labels.{name}"] = (
                f"{variable.origin} ({item.key.rpartition('.')[2]})"
            )
    own = service.table("labels")
    for name in own:
        context.origins.pop(f"{service.cursor.key}.labels.{name}", None)
    return labels | own


def _env_file(item: Cursor, context: Context, given: Mapping[str, Variable]) -> dict[str, Variable]:
    fields = item.fields(("path", "required", "format"))
    required = fields.flag("required", default=True)
    raw = fields.choice("format", ("raw",)) == "raw"
    member = fields.required("path") if fields.members else None
    text = member.text() if member else None
    if member is None or text is None:
        return {}
    if not required and not context.path(text).exists():
        return {}
    hint = "add `required: false` next to its path if the file is optional"
    return _variables(member, text, context, given, "env_file", raw=raw, hint=hint)


def _variables(
    member: Cursor,
    text: str,
    context: Context,
    given: Mapping[str, Variable],
    kind: str,
    *,
    raw: bool = False,
    hint: str = "correct the path, or create the file",
) -> dict[str, Variable]:
    """The variables of the file ``text``, of the same format for environment and labels."""
    path: Path = context.path(text)
    try:
        context.env_files.left -= path.stat().st_size if path.is_file() else 0
        if context.env_files.left < 0:
            member.error(f"{kind} {text}: the env files of the stack have more than {MAXIMUM_ENV_FILES // 2**20} MiB")
            return {}
        return read_dotenv(path, lambda name: context.lookup(name) or given.get(name), context.problems, raw=raw)
    except StackFileError as error:
        member.error(f"{kind} {text}: {as_problem(error).message}", hint=hint)
        return {}
