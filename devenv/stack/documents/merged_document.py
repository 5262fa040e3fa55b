"""Reads stack files into one merged document: parse, interpolate, make canonical, extend, include, merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devenv.immutable import immutable
from devenv.stack.compose.substitution import interpolate
from devenv.stack.documents.include import merged_files
from devenv.stack.documents.scope import ReadingScope
from devenv.stack.documents.sources import Sources
from devenv.stack.env.interpolation import Lookup, Variable
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import MapNode, ScalarNode

_PROJECT_VARIABLE = "COMPOSE_PROJECT_NAME"


@immutable()
class MergedDocument:
    """All files as one canonical document, and the files that were read, as shown in messages."""

    node: MapNode
    files: Sequence[str]


def read_document(
    files: Sequence[Path], texts: Mapping[Path, str], scope: ReadingScope, project: str, problems: Problems
) -> MergedDocument:
    """Return all files as one canonical document.

    Args:
        files: in the order in which they are merged.
        texts: texts to use in place of the contents of some of ``files``.
        scope: the meaning of the values in ``files``.
        project: value of ``COMPOSE_PROJECT_NAME`` if neither ``scope`` nor a file sets the project's name.
        problems: receives what is wrong.

    Raises:
        StackFileError: If a file cannot be read or is not YAML, or if what a file includes or extends is missing.
    """
    sources = Sources(texts, problems)
    parsed = [document for path in files for document in sources.own(path)]
    problems.check(sources.files)
    scope = replace(scope, lookup=_with_project_name(parsed, scope.lookup, project, problems))
    node = merged_files(files, scope, sources)
    if sources.incomplete:
        problems.check(sources.files)
    return MergedDocument(node, sources.files)


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
