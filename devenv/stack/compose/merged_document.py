"""Reads stack files into one merged document: parse, interpolate, make canonical, merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from devenv.errors import Location, StackFileError
from devenv.stack.compose.canonical import canonical
from devenv.stack.compose.merging import merge
from devenv.stack.compose.substitution import interpolate
from devenv.stack.env.interpolation import Lookup, Variable
from devenv.stack.problems import Problems, as_problem
from devenv.stack.yaml.nodes import MapNode, ScalarNode, describe, is_null
from devenv.stack.yaml.parser import parse
from devenv.stack.yaml.text_file import display, plain_text, read_text

_PROJECT_VARIABLE = "COMPOSE_PROJECT_NAME"


def read_document(
    files: Sequence[Path], texts: Mapping[Path, str], lookup: Lookup, project: str, problems: Problems
) -> MapNode:
    """Return all files as one canonical document.

    Args:
        files: in the order in which they are merged.
        texts: texts to use in place of the contents of some of ``files``.
        lookup: finds variables for interpolation.
        project: value of ``COMPOSE_PROJECT_NAME`` if neither ``lookup`` nor a file sets the project's name.
        problems: receives what is wrong.

    Raises:
        StackFileError: If a file cannot be read or is not YAML.
    """
    parsed = [document for path in files for document in _parse(path, texts.get(path), problems)]
    problems.check(display(path) for path in files)
    lookup = _with_project_name(parsed, lookup, project, problems)
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
                "the stack file must be a mapping",
                node.place,
                found=describe(node),
                expected="a mapping with services:",
            )
    return [node for node in documents if isinstance(node, MapNode)]


def _with_project_name(documents: Sequence[MapNode], lookup: Lookup, project: str, problems: Problems) -> Lookup:
    """``lookup`` that also finds ``COMPOSE_PROJECT_NAME``, as in Compose."""
    name = project
    for document in documents:
        node = document.get("name")
        resolved = interpolate(node, lookup, problems, "name") if node is not None else None
        if isinstance(resolved, ScalarNode) and isinstance(resolved.value, str) and resolved.value:
            name = resolved.value
    variable = Variable(name, "the name of the project")

    def with_name(asked: str) -> Variable | None:
        found = lookup(asked)
        return variable if asked == _PROJECT_VARIABLE and not (found and found.value) else found

    return with_name
