"""Reads the top-level ``networks``, ``volumes``, ``secrets`` and ``configs``."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TypeVar

from devenv.model.stack import AddressPool, FileSource, Network, Volume
from devenv.stack.readers import keys
from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.yaml.nodes import MapNode, is_null

T = TypeVar("T")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


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
    fields = member.fields(keys.NETWORK)
    external, name = _external(fields, key)
    ipam = fields.get("ipam")
    addressing = ipam.fields(("driver", "config", "options")) if ipam else Fields(member, {})
    return Network(
        key=key,
        name=name,
        external=external,
        driver=fields.text("driver"),
        driver_opts=fields.table("driver_opts"),
        internal=fields.flag("internal"),
        attachable=fields.flag("attachable"),
        enable_ipv4=fields.flag("enable_ipv4", default=True),
        enable_ipv6=fields.flag("enable_ipv6"),
        labels=fields.table("labels"),
        pools=tuple(pool for item in addressing.items("config") if (pool := _pool(item)) is not None),
        ipam_driver=addressing.text("driver"),
        ipam_options=addressing.table("options"),
    )


def _pool(item: Cursor) -> AddressPool | None:
    """One entry of ``ipam.config``; the engine needs the subnet of what else it has."""
    fields = item.fields(("subnet", "gateway", "ip_range", "aux_addresses"))
    if not fields.members:
        return None
    required = fields.required("subnet")
    subnet = _parsed(required, ipaddress.ip_network, "a subnet such as 172.28.0.0/16")
    if required is None or subnet is None:
        return None
    gateway = _parsed(fields.get("gateway"), ipaddress.ip_address, "an IP address")
    ip_range = _parsed(fields.get("ip_range"), ipaddress.ip_network, "a subnet such as 172.28.5.0/24")
    reserved = {
        name: (member, _parsed(member, ipaddress.ip_address, "an IP address"))
        for name, member in fields.each("aux_addresses").items()
    }
    for member, value in ((fields.get("gateway"), gateway), (fields.get("ip_range"), ip_range), *reserved.values()):
        if member is not None and value is not None and not _contains(subnet, value):
            member.error(f"{value} is not in the subnet {subnet}", found=str(value), expected=f"a part of {subnet}")
    return AddressPool(
        subnet=str(subnet),
        gateway=str(gateway) if gateway else None,
        ip_range=str(ip_range) if ip_range else None,
        aux_addresses={name: str(value) for name, (_, value) in reserved.items() if value is not None},
    )


def _parsed(member: Cursor | None, parse: Callable[[str], T], expected: str) -> T | None:
    """The value of ``member`` by a constructor of :mod:`ipaddress`."""
    text = member.text() if member else None
    if member is None or text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        kind = "a subnet" if "subnet" in expected else "an IP address"
        member.error(f"not {kind}: {error}", expected=expected)
        return None


def _contains(subnet: _Subnet, value: _Address | _Subnet) -> bool:
    """Whether an address or a range is part of ``subnet``."""
    if subnet.version != value.version:
        return False
    first, last = (value[0], value[-1]) if isinstance(value, _Subnet) else (value, value)
    return subnet[0] <= first and last <= subnet[-1]  # type: ignore[operator] # of one version by now


def read_volumes(top: Fields, context: Context) -> dict[str, Volume]:
    """Return the named volumes by key."""
    return {key: _volume(key, member, context) for key, member in top.each("volumes").items()}


def _volume(key: str, member: Cursor, context: Context) -> Volume:
    fields = member.fields(keys.VOLUME)
    external, name = _external(fields, key)
    return Volume(
        key=key,
        name=name,
        external=external,
        driver=fields.text("driver"),
        driver_opts=_driver_options(fields, context),
        labels=fields.table("labels"),
    )


def _driver_options(fields: Fields, context: Context) -> dict[str, str]:
    """The options of a volume's driver; the device of a bind is a path of this machine, as in Compose."""
    options = fields.table("driver_opts")
    if fields.text("driver") == "local" and options.get("o") == "bind" and "device" in options:
        options["device"] = str(context.path(options["device"]))
    return options


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
