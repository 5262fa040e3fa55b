"""Merges canonical files by the Compose Spec's rules, later ones over earlier ones.

Mappings merge key by key and lists are appended, with these exceptions. Commands, healthcheck tests and lists in
``x-devenv`` are replaced. Ports, volumes, secrets, configs and env files are unique by their identity (such as a
volume's target); other lists contain each value once. Log options of another driver are dropped. ``!reset`` removes a
key, ``!override`` replaces its value.
Rules: https://docs.docker.com/reference/compose-file/merge/
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, Node, ScalarNode, atom_text, describe, is_null, plain

Path = tuple[str, ...]

_REPLACED = (
    "services.*.command",
    "services.*.entrypoint",
    "services.*.healthcheck.test",
    "services.*.x-devenv.**",
    "x-devenv.**",
)
_EITHER_TYPE = ("services.*.ulimits.*", "services.*.extra_hosts.*", *_REPLACED)
"""Keys whose value a later file may replace by one of another type."""
_POOLS = "networks.*.ipam.config"
"""A list whose items with the same identity (their subnet) are merged."""


def merge(documents: Sequence[MapNode], problems: Problems) -> MapNode:
    """Return one document of several canonical ones, with all directives applied."""
    merged = documents[0]
    for document in documents[1:]:
        merged = _mappings(merged, document, (), problems)
    return _without_directives(merged, ())


def merge_service(base: MapNode, over: MapNode, name: str, problems: Problems) -> MapNode:
    """Return the service ``name``: ``over``, of which it has the directives, merged over ``base``."""
    return _mappings(_without_directives(base, ()), over, ("services", name), problems)


def _matches(path: Path, patterns: Sequence[str]) -> bool:
    """Whether ``path`` matches one of the patterns: ``*`` is any one key, a final ``**`` any number of keys."""
    return any(_fits(path, pattern.split(".")) for pattern in patterns)


def _fits(path: Path, pattern: list[str]) -> bool:
    if pattern[-1] == "**":
        pattern = pattern[:-1]
        path = path[: len(pattern)] if len(path) > len(pattern) else ()
    return len(path) == len(pattern) and all(want in ("*", part) for want, part in zip(pattern, path, strict=True))


def _nodes(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    if over.directive == "reset":
        return over
    if over.directive == "override" or is_null(base) or base.directive == "reset":
        return over
    if is_null(over):
        return base
    if isinstance(base, MapNode) and isinstance(over, MapNode):
        if _other_driver(base, over, path):
            return over
        return _mappings(base, over, path, problems)
    if isinstance(base, ListNode) and isinstance(over, ListNode):
        return over if _matches(path, _REPLACED) else _lists(base, over, path, problems)
    if isinstance(base, ScalarNode) and isinstance(over, ScalarNode):
        return over
    if not _matches(path, _EITHER_TYPE):
        problems.add(
            f"cannot be merged with the value at {base.place}",
            over.place,
            key=".".join(path),
            found=describe(over),
            expected=describe(base),
            hint="use the same type, or tag it !override to replace the other value",
        )
    return over


def _mappings(base: MapNode, over: MapNode, path: Path, problems: Problems) -> MapNode:
    entries = dict(base.entries)
    for name, entry in over.entries.items():
        if name in entries:
            node = _nodes(entries[name].node, entry.node, (*path, name), problems)
            entries[name] = Entry(key_place=entry.key_place, node=node)
        else:
            entries[name] = entry
    return MapNode(entries=entries, place=base.place, directive=base.directive, size=base.size + over.size)


def _lists(base: ListNode, over: ListNode, path: Path, problems: Problems) -> ListNode:
    """Both lists; a later item replaces an earlier one with the same identity, or is merged with it."""
    identity = next((how for pattern, how in _IDENTITIES.items() if _matches(path, (pattern,))), _same_value)
    items: list[Node] = []
    positions: dict[str, int] = {}
    for item in (*base.items, *over.items):
        name = identity(item)
        if name and name in positions:
            earlier = items[positions[name]]
            merged = _matches(path, (_POOLS,)) and isinstance(earlier, MapNode) and isinstance(item, MapNode)
            items[positions[name]] = _nodes(earlier, item, (*path, name), problems) if merged else item
            continue
        positions[name] = len(items)
        items.append(item)
    return ListNode(items=tuple(items), place=over.place, directive=base.directive, size=base.size + over.size)


def _other_driver(base: MapNode, over: MapNode, path: Path) -> bool:
    """Whether ``over`` configures another log driver, to which the options in ``base`` do not apply."""
    if not (len(path) == 3 and path[0] == "services" and path[2] == "logging"):
        return False
    before, after = base.get("driver"), over.get("driver")
    return before is not None and after is not None and plain(before) != plain(after)


def _same_value(item: Node) -> str:
    return f"{type(item.value).__name__}:{item.value}" if isinstance(item, ScalarNode) else ""


def _text(item: Node, name: str, default: str = "") -> str:
    node = item.get(name) if isinstance(item, MapNode) else None
    return atom_text(node.value) if isinstance(node, ScalarNode) and node.value is not None else default


def _port(item: Node) -> str:
    target = _text(item, "target")
    address = _text(item, "host_ip", "0.0.0.0")  # noqa: S104 - "every address" as an identity, nothing is bound here
    return f"{address}:{_text(item, 'published')}:{target}/{_text(item, 'protocol', 'tcp')}" if target else ""


def _target(item: Node) -> str:
    return _text(item, "target")


def _file(root: str) -> Callable[[Node], str]:
    """Secrets and configs are identified by their path in the container."""
    return lambda item: posixpath.join(root, _text(item, "target") or _text(item, "source"))


_IDENTITIES: dict[str, Callable[[Node], str]] = {
    _POOLS: lambda item: _text(item, "subnet"),
    "services.*.build.secrets": _file(""),
    "services.*.configs": _file("/"),
    "services.*.devices": lambda item: _text(item, "target") or _text(item, "source"),
    "services.*.env_file": lambda item: _text(item, "path"),
    "services.*.ports": _port,
    "services.*.secrets": _file("/run/secrets"),
    "services.*.tmpfs": _target,
    "services.*.volumes": _target,
}


def _without_directives(node: MapNode, path: Path) -> MapNode:
    """``node`` without the keys that are reset."""
    entries: dict[str, Entry] = {}
    for name, entry in node.entries.items():
        child = entry.node
        if child.directive == "reset":
            continue
        if isinstance(child, MapNode):
            child = _without_directives(child, (*path, name))
        entries[name] = Entry(key_place=entry.key_place, node=child)
    return MapNode(entries=entries, place=node.place, size=node.size)
