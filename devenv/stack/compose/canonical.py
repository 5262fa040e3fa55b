"""Rewrites the short forms of a file as long forms, so that files are merged and read in one shape.

A value of neither shape stays as it is; the readers report it. Each file is rewritten before the merge, so that every
value keeps its place in its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from devenv.stack.compose import port_syntax, volume_syntax
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import Atom, Entry, ListNode, MapNode, Node, ScalarNode, atom_text, describe, is_failed

Rewrite = Callable[[Node, str, Problems], Node]


def canonical(document: MapNode, problems: Problems) -> MapNode:
    """Return ``document`` with all short forms of services, networks and volumes in long form."""
    rewritten = _map_entries(document, "services", "", _service, problems)
    for section in ("networks", "volumes", "secrets", "configs"):
        rewritten = _map_entries(rewritten, section, "", _resource, problems)
    return rewritten


def _map_entries(parent: MapNode, section: str, key: str, rewrite: Rewrite, problems: Problems) -> MapNode:
    """``parent`` with each value of the mapping ``section`` rewritten."""
    node = parent.get(section)
    if not isinstance(node, MapNode):
        return parent
    path = f"{key}.{section}" if key else section
    entries = {
        name: Entry(key_place=entry.key_place, node=rewrite(entry.node, f"{path}.{name}", problems))
        for name, entry in node.entries.items()
    }
    return with_entry(parent, section, with_entries(node, entries))


def with_entries(node: MapNode, entries: dict[str, Entry]) -> MapNode:
    """Return ``node`` with other entries."""
    return MapNode(entries=entries, place=node.place, directive=node.directive, size=node.size)


def with_entry(node: MapNode, name: str, value: Node) -> MapNode:
    """Return ``node`` with another value for its key ``name``."""
    entry = Entry(key_place=node.entries[name].key_place, node=value)
    return with_entries(node, {**node.entries, name: entry})


def _service(node: Node, key: str, problems: Problems) -> Node:
    return _rewrite(node, key, _SERVICE, problems)


def _resource(node: Node, key: str, problems: Problems) -> Node:
    return _rewrite(node, key, {"labels": _pairs}, problems)


def _build(node: Node, key: str, problems: Problems) -> Node:
    if isinstance(node, ScalarNode) and node.value is not None:
        return _long(node, {"context": node})
    rules: dict[str, Rewrite] = {
        "args": _pairs,
        "labels": _pairs,
        "additional_contexts": _pairs,
        "extra_hosts": _hosts,
        "secrets": _each(_file),
        "ssh": _pairs,
        "tags": _strings,
    }
    return _rewrite(node, key, rules, problems)


def _rewrite(node: Node, key: str, rules: dict[str, Rewrite], problems: Problems) -> Node:
    if not isinstance(node, MapNode):
        return node
    entries = {
        name: Entry(key_place=entry.key_place, node=rules[name](entry.node, f"{key}.{name}", problems))
        if name in rules
        else entry
        for name, entry in node.entries.items()
    }
    return with_entries(node, entries)


def _long(node: Node, values: dict[str, Node | Atom]) -> MapNode:
    """A mapping at the place of ``node``, its short form."""
    origins = node.origins if isinstance(node, ScalarNode) else ()
    entries = {
        name: Entry(
            key_place=node.place,
            node=ScalarNode(value=value, place=node.place, plain=False, origins=origins)
            if not isinstance(value, ScalarNode | ListNode | MapNode)
            else value,
        )
        for name, value in values.items()
    }
    return MapNode(entries=entries, place=node.place, directive=node.directive, size=1 + len(entries))


def _nested(values: dict[str, str | bool], node: Node) -> dict[str, Node | Atom]:
    """Dotted keys (``bind.selinux``) as mappings of mappings."""
    result: dict[str, Node | Atom] = {}
    groups: dict[str, dict[str, Node | Atom]] = {}
    for dotted, value in values.items():
        group, _, name = dotted.rpartition(".")
        if group:
            groups.setdefault(group, {})[name] = value
        else:
            result[name] = value
    return result | {group: _long(node, members) for group, members in groups.items()}


def _each(rewrite: Callable[[ScalarNode, str, Problems], list[Node]]) -> Rewrite:
    """Rewrite each scalar of a list (or a scalar in place of a list) as any number of long forms."""

    def rewrite_list(node: Node, key: str, problems: Problems) -> Node:
        if isinstance(node, MapNode) or (isinstance(node, ScalarNode) and node.value is None):
            return node
        given = node.items if isinstance(node, ListNode) else (node,)
        items: list[Node] = []
        for index, item in enumerate(given):
            if is_failed(item):
                continue
            if isinstance(item, ScalarNode):
                items.extend(rewrite(item, f"{key}[{index}]", problems))
            else:
                items.append(item)
        return ListNode(items=tuple(items), place=node.place, directive=node.directive, size=node.size)

    return rewrite_list


def _port(item: ScalarNode, key: str, problems: Problems) -> list[Node]:
    try:
        parsed = port_syntax.parse_short(atom_text(item.value).strip())
    except ValueError as error:
        problems.add(str(error), item.place, key=key, found=describe(item), expected=port_syntax.GRAMMAR)
        return []
    longs: list[Node] = []
    for port in parsed:
        values: dict[str, Node | Atom] = {"target": port.target, "protocol": port.protocol, "mode": "ingress"}
        values |= {"published": port.published} if port.published else {}
        values |= {"host_ip": port.host_ip} if port.host_ip else {}
        longs.append(_long(item, values))
    return longs


def _volume(item: ScalarNode, key: str, problems: Problems) -> list[Node]:
    return _mount(item, key, problems, volume_syntax.parse_short)


def _tmpfs(item: ScalarNode, key: str, problems: Problems) -> list[Node]:
    return _mount(item, key, problems, volume_syntax.parse_tmpfs)


def _mount(
    item: ScalarNode, key: str, problems: Problems, parse: Callable[[str], volume_syntax.ShortVolume]
) -> list[Node]:
    try:
        parsed = parse(atom_text(item.value))
    except ValueError as error:
        problems.add(str(error), item.place, key=key, found=describe(item), expected=volume_syntax.GRAMMAR)
        return []
    values: dict[str, Node | Atom] = {"type": parsed.kind, "target": parsed.target}
    values |= {"source": parsed.source} if parsed.source else {}
    return [_long(item, values | _nested(parsed.options, item))]


def _file(item: ScalarNode, key: str, problems: Problems) -> list[Node]:  # noqa: ARG001 - the rewriters' common shape
    return [_long(item, {"source": item})]


def _env_file(item: ScalarNode, key: str, problems: Problems) -> list[Node]:  # noqa: ARG001 - as above
    return [_long(item, {"path": item})]


def _device(item: ScalarNode, key: str, problems: Problems) -> list[Node]:
    """``SOURCE[:TARGET[:PERMISSIONS]]``."""
    parts = atom_text(item.value).split(":")
    if not parts[0] or len(parts) > 3:
        problems.add(
            f"{atom_text(item.value)!r} is not a device",
            item.place,
            key=key,
            found=describe(item),
            expected="SOURCE[:TARGET[:PERMISSIONS]], such as /dev/ttyUSB0:/dev/tty0:rw",
        )
        return []
    names = ("source", "target", "permissions")
    return [_long(item, {name: part for name, part in zip(names, parts, strict=False) if part})]


def _gpus(node: Node, key: str, problems: Problems) -> Node:
    """``all`` as a request for all of them."""
    if isinstance(node, ScalarNode) and node.value == "all":
        return ListNode(items=(_long(replace(node, directive=None), {"count": -1}),), place=node.place)
    return _requests(node, key, problems)


def _items(rules: dict[str, Rewrite]) -> Rewrite:
    """Rewrite each mapping of a list by ``rules``."""

    def rewrite(node: Node, key: str, problems: Problems) -> Node:
        if not isinstance(node, ListNode):
            return node
        items = tuple(_rewrite(item, f"{key}[{index}]", rules, problems) for index, item in enumerate(node.items))
        return replace(node, items=items)

    return rewrite


def _requests(node: Node, key: str, problems: Problems) -> Node:
    """Requests for devices, with their options as a mapping."""
    return _items({"options": _pairs})(node, key, problems)


def _deploy(node: Node, key: str, problems: Problems) -> Node:
    within: Rewrite = _requests
    for name in ("devices", "reservations", "resources"):
        within = _inside(name, within)
    return within(node, key, problems)


def _develop(node: Node, key: str, problems: Problems) -> Node:
    """Each rule's ``exec`` with its environment as a mapping."""
    return _inside("watch", _items({"exec": _inside("environment", _pairs)}))(node, key, problems)


def _hooks(node: Node, key: str, problems: Problems) -> Node:
    """Each hook with its environment as a mapping."""
    return _items({"environment": _pairs})(node, key, problems)


def _inside(name: str, rewrite: Rewrite) -> Rewrite:
    return lambda node, key, problems: _rewrite(node, key, {name: rewrite}, problems)


def _strings(node: Node, key: str, problems: Problems) -> Node:
    return _each(lambda item, _key, _problems: [item])(node, key, problems)


def _pairs(node: Node, key: str, problems: Problems) -> Node:
    """A list of ``NAME=value`` (or ``NAME``) as a mapping."""
    return _keyed(node, key, problems, "=")


def _keyed(node: Node, key: str, problems: Problems, separators: str) -> Node:
    if not isinstance(node, ListNode):
        return node
    entries: dict[str, Entry] = {}
    for name, value, item in _named(node, key, problems, separators):
        scalar = ScalarNode(value=value, place=item.place, plain=False, origins=item.origins)
        entries[name] = Entry(key_place=item.place, node=scalar)
    return MapNode(entries=entries, place=node.place, directive=node.directive, size=node.size)


def _named(
    node: ListNode, key: str, problems: Problems, separators: str
) -> Iterator[tuple[str, str | None, ScalarNode]]:
    """Name and value (``None`` without a separator) of each entry of a list, and the entry itself."""
    for index, item in enumerate(node.items):
        if is_failed(item):
            continue
        if not isinstance(item, ScalarNode) or item.value is None:
            problems.add(
                "an entry must be text", item.place, key=f"{key}[{index}]", found=describe(item), expected="NAME=value"
            )
            continue
        text = atom_text(item.value)
        cut = min((found for mark in separators if (found := text.find(mark)) >= 0), default=-1)
        name, value = (text, None) if cut < 0 else (text[:cut], text[cut + 1 :])
        if not name:
            problems.add(
                "an entry without a name", item.place, key=f"{key}[{index}]", found=text, expected="NAME=value"
            )
            continue
        yield name, value, item


def _hosts(node: Node, key: str, problems: Problems) -> Node:
    """A list of ``host=address`` (or ``host:address``), or a mapping, as a mapping of lists of addresses.

    In a list, a host may have several entries, and an entry several addresses, separated by commas.
    """
    if isinstance(node, MapNode):
        return with_entries(
            node, {name: replace(entry, node=_as_list(entry.node)) for name, entry in node.entries.items()}
        )
    if not isinstance(node, ListNode):
        return node
    hosts: dict[str, list[Node]] = {}
    for name, value, item in _named(node, key, problems, "=:"):
        for text in [None] if value is None else value.split(","):
            address = ScalarNode(value=text, place=item.place, plain=False, origins=item.origins)
            hosts.setdefault(name, []).append(address)
    entries = {
        name: Entry(key_place=addresses[0].place, node=ListNode(items=tuple(addresses), place=addresses[0].place))
        for name, addresses in hosts.items()
    }
    return MapNode(entries=entries, place=node.place, directive=node.directive, size=node.size)


def _as_list(node: Node) -> Node:
    """A single value as a list of it."""
    if not isinstance(node, ScalarNode):
        return node
    return ListNode(items=(replace(node, directive=None),), place=node.place, directive=node.directive)


def _names(values: dict[str, Node | Atom] | None) -> Rewrite:
    """A list of names as a mapping of each name to ``values`` (to nothing if ``None``)."""

    def rewrite(node: Node, key: str, problems: Problems) -> Node:
        if not isinstance(node, ListNode):
            return node
        entries: dict[str, Entry] = {}
        for index, item in enumerate(node.items):
            if not isinstance(item, ScalarNode) or not isinstance(item.value, str):
                problems.add("a name is expected", item.place, key=f"{key}[{index}]", found=describe(item))
                continue
            value: Node = ScalarNode(value=None, place=item.place) if values is None else _long(item, values)
            entries[item.value] = Entry(key_place=item.place, node=value)
        return MapNode(entries=entries, place=node.place, directive=node.directive, size=node.size)

    return rewrite


_SERVICE: dict[str, Rewrite] = {
    "annotations": _pairs,
    "build": _build,
    "configs": _each(_file),
    "depends_on": _names({"condition": "service_started", "required": True}),
    "deploy": _deploy,
    "develop": _develop,
    "devices": _each(_device),
    "dns": _strings,
    "dns_opt": _strings,
    "dns_search": _strings,
    "env_file": _each(_env_file),
    "environment": _pairs,
    "extra_hosts": _hosts,
    "gpus": _gpus,
    "label_file": _strings,
    "labels": _pairs,
    "networks": _names(None),
    "ports": _each(_port),
    "post_start": _hooks,
    "pre_stop": _hooks,
    "secrets": _each(_file),
    "storage_opt": _pairs,
    "sysctls": _pairs,
    "tmpfs": _each(_tmpfs),
    "volumes": _each(_volume),
}
