"""Reads the top-level ``networks``, ``volumes``, ``secrets`` and ``configs``."""

from __future__ import annotations

import ipaddress

from devenv.model.stack import FileSource, Network, Volume
from devenv.stack.readers import keys
from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.yaml.nodes import MapNode, is_null

_IPAM_REFUSED = {"options": "remove it for now"}
_POOL_REFUSED = {
    "aux_addresses": "remove it for now",
    "ip_range": "use a smaller subnet",
}
_POOL_IGNORED = {"gateway": "the engine chooses the gateway"}


def _external(fields: Fields, key: str) -> tuple[bool, str | None]:
    """Whether it is external, and its name; the default name of an external one is its key."""
    member, name = fields.get("external"), fields.text("name")
    if member is None:
        return False, name
    if isinstance(member.node, MapNode):  # the form before the Compose Spec: external: {name: x}
        inner = member.fields(("name",))
        return True, inner.text("name") or name or key
    if not member.flag():
        return False, name
    for other in fields.members:
        if other not in ("external", "name") and not other.startswith("x-"):
            fields.members[other].error(
                f"{fields.members[other].key} cannot be set for an external resource", found=other, expected="name only"
            )
    return True, name or key


def read_networks(top: Fields) -> dict[str, Network]:
    """Return the networks by key."""
    return {key: _network(key, member) for key, member in top.each("networks").items()}


def _network(key: str, member: Cursor) -> Network:
    fields = member.fields(keys.NETWORK, refused=keys.NETWORK_REFUSED)
    external, name = _external(fields, key)
    return Network(
        key=key,
        name=name,
        external=external,
        driver=fields.text("driver"),
        driver_opts=fields.table("driver_opts"),
        internal=fields.flag("internal"),
        attachable=fields.flag("attachable"),
        enable_ipv6=fields.flag("enable_ipv6"),
        labels=fields.table("labels"),
        subnets=_subnets(fields.get("ipam")),
    )


def _subnets(member: Cursor | None) -> tuple[str, ...]:
    if member is None:
        return ()
    fields = member.fields(("driver", "config"), refused=_IPAM_REFUSED)
    fields.choice("driver", ("default",))
    subnets: list[str] = []
    for item in fields.items("config"):
        pool = item.fields(("subnet",), refused=_POOL_REFUSED, ignored=_POOL_IGNORED)
        subnet, text = pool.get("subnet"), pool.text("subnet")
        if subnet is None or text is None:
            continue
        try:
            subnets.append(str(ipaddress.ip_network(text)))
        except ValueError as error:
            subnet.error(f"not a subnet: {error}", expected="a subnet such as 172.28.0.0/16")
    return tuple(subnets)


def read_volumes(top: Fields) -> dict[str, Volume]:
    """Return the named volumes by key."""
    return {key: _volume(key, member) for key, member in top.each("volumes").items()}


def _volume(key: str, member: Cursor) -> Volume:
    fields = member.fields(keys.VOLUME)
    external, name = _external(fields, key)
    return Volume(
        key=key,
        name=name,
        external=external,
        driver=fields.text("driver"),
        driver_opts=fields.table("driver_opts"),
        labels=fields.table("labels"),
    )


def read_sources(top: Fields, section: str, context: Context) -> dict[str, FileSource]:
    """Return secrets (file or environment) or configs (also content) by key."""
    known = ("file", "environment") if section == "secrets" else ("file", "environment", "content")
    return {key: _source(key, member, known, context) for key, member in top.each(section).items()}


def _source(key: str, member: Cursor, known: tuple[str, ...], context: Context) -> FileSource:
    fields = member.fields(known, refused=keys.FILE_REFUSED, ignored=keys.FILE_IGNORED)
    refused = any(name in keys.FILE_REFUSED for name in fields.members)
    given = [name for name in known if fields.get(name)]
    if len(given) != 1 and not refused and (is_null(member.node) or isinstance(member.node, MapNode)):
        found = " and ".join(given) or "none of them"
        member.error(f"{member.key} requires exactly one of {', '.join(known)}", found=found, expected=", ".join(known))
    path, variable = fields.text("file"), fields.text("environment")
    held = context.lookup(variable) if variable else None
    return FileSource(
        key=key,
        file=context.path(path) if path else None,
        environment=variable,
        content=fields.text("content"),
        value=held.value if held else None,
    )
