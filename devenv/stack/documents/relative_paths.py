"""Makes the values of an included or extended file independent of it: absolute paths, its own variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from devenv.stack.compose.canonical import with_entries
from devenv.stack.compose.remote import is_context_path
from devenv.stack.documents.scope import ReadingScope
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, Node, ScalarNode

Change = Callable[[Node, ReadingScope], Node]


def with_absolute_paths(layer: MapNode, scope: ReadingScope) -> MapNode:
    """Return a canonical ``layer`` in which all paths of this machine are absolute."""
    return _changed(layer, _PATHS, scope)


def with_own_variables(layer: MapNode, scope: ReadingScope) -> MapNode:
    """Return a canonical ``layer`` in which a name in ``environment`` without a value has that of ``scope``."""
    return _changed(layer, {"services.*.environment": _environment}, scope)


def _changed(layer: MapNode, changes: Mapping[str, Change], scope: ReadingScope) -> MapNode:
    for pattern, change in changes.items():
        changed = _at(layer, pattern.split("."), change, scope)
        layer = changed if isinstance(changed, MapNode) else layer
    return layer


def _at(node: Node, pattern: list[str], change: Change, scope: ReadingScope) -> Node:
    """``node`` with what is at ``pattern`` changed; ``*`` is any key, and any item of a list."""
    if not pattern:
        return change(node, scope)
    first, rest = pattern[0], pattern[1:]
    if isinstance(node, ListNode) and first == "*":
        return replace(node, items=tuple(_at(item, rest, change, scope) for item in node.items))
    if not isinstance(node, MapNode):
        return node
    names = node.entries if first == "*" else [name for name in [first] if name in node.entries]
    changed = {
        name: Entry(key_place=node.entries[name].key_place, node=_at(node.entries[name].node, rest, change, scope))
        for name in names
    }
    return with_entries(node, {**node.entries, **changed}) if changed else node


def _path(node: Node, scope: ReadingScope) -> Node:
    """A path as an absolute one."""
    if isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value:
        return replace(node, value=str(scope.path(node.value)), raw="")
    return node


def _context(node: Node, scope: ReadingScope) -> Node:
    """A build context: a path, if it names nothing else."""
    text = node.value if isinstance(node, ScalarNode) else None
    return node if isinstance(text, str) and not is_context_path(text) else _path(node, scope)


def _build(node: Node, scope: ReadingScope) -> Node:
    return _member(node, "context", ".", _context, scope)


def _process(node: Node, scope: ReadingScope) -> Node:
    return _member(node, "cwd", ".", _path, scope)


def _mount(node: Node, scope: ReadingScope) -> Node:
    """A mount: the source of a bind is a path."""
    return _at(node, ["source"], _path, scope) if _is(node, "type", "bind") else node


def _volume(node: Node, scope: ReadingScope) -> Node:
    """A volume whose local driver binds a directory: its device is a path."""
    options = node.get("driver_opts") if isinstance(node, MapNode) else None
    binds = _is(node, "driver", "local") and _is(options, "o", "bind")
    return _at(node, ["driver_opts", "device"], _path, scope) if binds else node


def _is(node: Node | None, name: str, value: str) -> bool:
    member = node.get(name) if isinstance(node, MapNode) else None
    return isinstance(member, ScalarNode) and member.value == value


def _member(node: Node, name: str, default: str, change: Change, scope: ReadingScope) -> Node:
    """The mapping ``node`` with its member ``name`` changed, or the ``default`` of that."""
    if not isinstance(node, MapNode):
        return node
    absent = Entry(key_place=node.place, node=ScalarNode(value=default, place=node.place, plain=False))
    entry = node.entries.get(name, absent)
    changed = Entry(key_place=entry.key_place, node=change(entry.node, scope))
    return with_entries(node, {**node.entries, name: changed})


def _environment(node: Node, scope: ReadingScope) -> Node:
    if not isinstance(node, MapNode):
        return node
    entries = dict(node.entries)
    for name, entry in node.entries.items():
        value = entry.node
        if not isinstance(value, ScalarNode) or value.value is not None or value.directive or value.raw:
            continue
        found = scope.lookup(name)
        if found is not None:
            origins = (f"${name} from {found.origin}",)
            held = ScalarNode(value=found.value, place=entry.key_place, plain=False, origins=origins)
            entries[name] = Entry(key_place=entry.key_place, node=held)
    return with_entries(node, entries)


_PATHS: dict[str, Change] = {
    "services.*.build": _build,
    "services.*.build.additional_contexts.*": _context,
    "services.*.build.ssh.*": _path,
    "services.*.develop.watch.*.path": _path,
    "services.*.env_file.*.path": _path,
    "services.*.extends.file": _path,
    "services.*.label_file.*": _path,
    "services.*.volumes.*": _mount,
    "services.*.x-devenv.process": _process,
    "volumes.*": _volume,
    "secrets.*.file": _path,
    "configs.*.file": _path,
}
