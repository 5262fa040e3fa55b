"""``include``: the services, networks, volumes, secrets and configs of other files, as they are in their own project.

An included file has its own directory for relative paths, and the ``.env`` there; the variables of the file that
includes it take precedence. Rules: https://docs.docker.com/reference/compose-file/include/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from devenv.errors import StackFileError
from devenv.stack.compose.canonical import with_entries
from devenv.stack.compose.merging import merge
from devenv.stack.compose.remote import is_remote
from devenv.stack.documents.extends import with_extended
from devenv.stack.documents.relative_paths import with_absolute_paths, with_own_variables
from devenv.stack.documents.scope import ReadingScope
from devenv.stack.documents.sources import MAXIMUM_DEPTH, Sources
from devenv.stack.env.dotenv import read_dotenv
from devenv.stack.env.interpolation import Lookup, Variable
from devenv.stack.readers import keys
from devenv.stack.readers.cursor import EXTENSION, Cursor, Fields
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, ScalarNode, is_failed, plain
from devenv.stack.yaml.text_file import display

_KEY = "include"
_SECTIONS = ("services", "networks", "volumes", "secrets", "configs")


def merged_files(files: Sequence[Path], scope: ReadingScope, sources: Sources) -> MapNode:
    """Return the stack's own ``files`` as one document, with what they include."""
    layers = [
        layer
        for file in files
        for document in sources.own(file)
        if (layer := _complete(document, file, scope, sources)) is not None
    ]
    return merge(layers, sources.problems)


def _complete(document: MapNode, file: Path, scope: ReadingScope, sources: Sources) -> MapNode | None:
    """One document as a layer, with what it extends and includes."""
    layer = sources.layer(document, scope, shared=bool(scope.including))
    return None if layer is None else _with_included(with_extended(layer, file, scope, sources), file, scope, sources)


def _with_included(layer: MapNode, file: Path, scope: ReadingScope, sources: Sources) -> MapNode:
    entry = layer.entries.get(_KEY)
    if entry is None:
        return layer
    layer = with_entries(layer, {name: other for name, other in layer.entries.items() if name != _KEY})
    if entry.node.directive == "reset":
        return layer
    for item in Cursor(entry.node, _KEY, sources.problems, entry.key_place).items():
        included = _included(item, file, scope, sources)
        if included is not None:
            layer = _imported(layer, included, item, sources)
    return layer


def _included(item: Cursor, file: Path, scope: ReadingScope, sources: Sources) -> MapNode | None:
    """What one entry of ``include`` names, as one document."""
    named = _paths(item, sources)
    if not named:
        sources.incomplete = True
        return None
    paths = [scope.path(text) for _, text in named]
    inner = _inner_scope(item, paths[0], file, scope, sources)
    if inner is None:
        return None
    layers: list[MapNode] = []
    for (member, _), path in zip(named, paths, strict=True):
        if path in inner.including:
            circle = " → ".join(display(each) for each in (*inner.including[inner.including.index(path) :], path))
            sources.fail(member, f"circular include: {circle}", expected="no circle", hint="remove one of them")
            continue
        for document in sources.further(path, member):
            if not sources.count(document.size, member):
                return None
            layer = _complete(document, path, inner, sources)
            if layer is not None:
                _check_top(layer, path, sources)
                layers.append(with_absolute_paths(with_own_variables(layer, inner), inner))
    return merge(layers, sources.problems) if layers else None


def _paths(item: Cursor, sources: Sources) -> list[tuple[Cursor, str]]:
    """The files of one entry, with the values that name them."""
    if isinstance(item.node, ScalarNode):
        members = [item]
    else:
        fields = item.fields(("path", "project_directory", "env_file"))
        required = fields.required("path") if fields.members else None
        members = _one_or_more(required)
    members = [member for member in members if not is_failed(member.node)]
    named: list[tuple[Cursor, str]] = []
    for member in members:
        text = member.text()
        if text and is_remote(text):
            hint = "clone it, and include the file"
            sources.fail(member, f"{member.key}: a remote file is not supported", expected="a path", hint=hint)
        elif text:
            named.append((member, text))
    return named


def _one_or_more(member: Cursor | None) -> list[Cursor]:
    if member is None:
        return []
    return member.items() if isinstance(member.node, ListNode) else [member]


def _inner_scope(item: Cursor, first: Path, file: Path, scope: ReadingScope, sources: Sources) -> ReadingScope | None:
    """The scope of included files; ``None`` if they are nested too deeply."""
    fields = item.fields(("path", "project_directory", "env_file")) if isinstance(item.node, MapNode) else None
    given = fields.text("project_directory") if fields else None
    directory = scope.path(given) if given else first.parent
    including = (*scope.including, file)
    if len(including) > MAXIMUM_DEPTH:
        sources.fail(item, f"more than {MAXIMUM_DEPTH} files include each other")
        return None
    variables = _variables(fields, directory, scope, item, sources)
    return ReadingScope(directory, scope.home, _with_fallback(scope.lookup, variables), including)


def _with_fallback(lookup: Lookup, variables: Mapping[str, Variable]) -> Lookup:
    return (lambda name: lookup(name) or variables.get(name)) if variables else lookup


def _variables(
    fields: Fields | None, directory: Path, scope: ReadingScope, item: Cursor, sources: Sources
) -> dict[str, Variable]:
    """The variables of ``env_file``, else of the ``.env`` in the project directory of the included files."""
    given = _one_or_more(fields.get("env_file")) if fields else []
    default = directory / ".env"
    named = [(member, scope.path(text)) for member in given if (text := member.text())]
    if not given and default.is_file():
        named = [(item, default)]
    variables: dict[str, Variable] = {}
    for member, path in named:
        if not sources.admit(path, member):
            break
        try:
            variables = read_dotenv(path, scope.lookup, sources.problems, earlier=variables)
        except StackFileError as error:
            sources.unreadable(error, member)
    return variables


def _check_top(layer: MapNode, path: Path, sources: Sources) -> None:
    """Note unknown keys of an included file, and what has no effect there."""
    top = Cursor(layer, "", sources.problems).fields(keys.TOP, refused=keys.TOP_REFUSED, extension=True)
    extension = top.get(EXTENSION)
    if extension is not None:
        message = f"x-devenv is ignored in {display(path)}, because the file is included: move it to the main file"
        sources.problems.warn(message, extension.place)


def _imported(layer: MapNode, included: MapNode, item: Cursor, sources: Sources) -> MapNode:
    """``layer`` with the resources of ``included``; two of one name must be the same."""
    for section in _SECTIONS:
        further = included.get(section)
        if not isinstance(further, MapNode) or not further.entries:
            continue
        own = layer.entries.get(section)
        if own is None or not isinstance(own.node, MapNode):
            layer = _with_section(layer, section, included.entries[section])
            continue
        entries = dict(own.node.entries)
        for name, entry in further.entries.items():
            known = entries.setdefault(name, entry)
            if known is not entry and plain(known.node) != plain(entry.node):
                _conflict(f"{section}.{name}", known, entry, item, sources)
        merged = with_entries(own.node, entries)
        layer = _with_section(layer, section, Entry(key_place=own.key_place, node=merged))
    return layer


def _with_section(layer: MapNode, section: str, entry: Entry) -> MapNode:
    return with_entries(layer, {**layer.entries, section: entry})


def _conflict(key: str, known: Entry, entry: Entry, item: Cursor, sources: Sources) -> None:
    sources.incomplete = True
    sources.problems.add(
        f"{key} is also defined in {entry.key_place}, which {item.node.place} includes",
        known.key_place,
        key=key,
        expected="one definition, or several that are equal",
        hint="rename one of them, or make the change in an override file (-f, or compose.override.yaml)",
    )
