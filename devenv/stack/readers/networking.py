"""Reads a service's network settings: ``ports``, ``expose``, ``networks`` and ``extra_hosts``."""

from __future__ import annotations

from typing import cast

from devenv.model.stack import Attachment, Port, Protocol
from devenv.stack.compose.port_syntax import check_address, port_range
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.yaml.nodes import ListNode, ScalarNode, is_null

_PORT = ("name", "target", "published", "host_ip", "protocol", "app_protocol", "mode")
_ATTACHMENT = (
    *("aliases", "ipv4_address", "ipv6_address", "mac_address", "priority", "driver_opts", "gw_priority"),
    *("interface_name", "link_local_ips"),
)
DEFAULT_NETWORK = "default"


def read_ports(service: Fields) -> tuple[Port, ...]:
    """Return the published ports, from their long form, without repeats as in Compose."""
    ports = (_port(item) for item in service.items("ports"))
    return tuple(dict.fromkeys(port for port in ports if port is not None))


def _port(item: Cursor) -> Port | None:
    fields = item.fields(_PORT)
    if not fields.members:
        return None
    required = fields.required("target")
    target = required.integer(1) if required else None
    if required and target is not None and target > 65535:
        required.wrong("a port from 1 to 65535")
        target = None
    first, last = _published(fields.get("published"))
    protocol = cast("Protocol | None", fields.choice("protocol", ("tcp", "udp", "sctp")))
    address = _address(fields, "host_ip")
    mode = fields.choice("mode", ("ingress", "host"))
    name, app_protocol = fields.text("name"), fields.text("app_protocol")
    if target is None:
        return None
    return Port(
        container=target,
        host=first,
        host_last=last,
        address=address,
        protocol=protocol or "tcp",
        name=name,
        app_protocol=app_protocol,
        mode="host" if mode == "host" else "ingress",
    )


def _published(member: Cursor | None) -> tuple[int | None, int | None]:
    """The host port, and the last one of a range; with 0 or nothing the engine chooses."""
    text = member.text() if member else None
    if member is None or text is None or text in ("", "0"):
        return None, None
    try:
        first, last = port_range(text)
    except ValueError as error:
        member.error(str(error), expected="a port, or a range such as 8000-8010")
        return None, None
    return first, last if last > first else None


def _address(fields: Fields, name: str) -> str | None:
    member = fields.get(name)
    return _ip(member) if member else None


def _ip(member: Cursor) -> str | None:
    text = member.text()
    if not text:
        return None
    try:
        check_address(text)
    except ValueError as error:
        member.error(str(error), expected="an IP address")
        return None
    return text


def read_expose(service: Fields) -> tuple[int, ...]:
    """Return the TCP ports that a service listens on but does not publish; others are warnings."""
    exposed: list[int] = []
    for item in service.items("expose"):
        text, _, protocol = (item.text() or "").partition("/")
        try:
            first, last = port_range(text)
        except ValueError as error:
            item.error(str(error), expected="a port, or a range such as 8000-8010")
            continue
        if protocol not in ("", "tcp"):
            item.problems.warn(f"{item.key} is ignored: devenv supports exposed TCP ports only", item.node.place)
            continue
        exposed.extend(range(first, last + 1))
    return tuple(dict.fromkeys(exposed))


def read_networks(service: Fields) -> tuple[Attachment, ...]:
    """Return the networks of a service, highest priority first; the default network if it names none."""
    members = service.each("networks")
    if not members:
        return () if service.get("network_mode") else (Attachment(network=DEFAULT_NETWORK),)
    if mode := service.get("network_mode"):
        mode.error(
            "network_mode and networks cannot be used together", expected="one of the two", hint="remove one of the two"
        )
    attachments = [_attachment(name, member) for name, member in members.items()]
    return tuple(sorted(attachments, key=lambda attachment: -attachment.priority))


def _attachment(name: str, member: Cursor) -> Attachment:
    fields = member.fields(_ATTACHMENT)
    return Attachment(
        network=name,
        aliases=fields.texts("aliases"),
        ipv4_address=_address(fields, "ipv4_address"),
        ipv6_address=_address(fields, "ipv6_address"),
        mac_address=fields.text("mac_address"),
        priority=fields.integer("priority") or 0,
        gw_priority=fields.integer("gw_priority") or 0,
        interface_name=fields.text("interface_name"),
        link_local_ips=tuple(ip for item in fields.items("link_local_ips") if (ip := _ip(item)) is not None),
        driver_opts=fields.table("driver_opts"),
    )


def read_hosts(fields: Fields) -> dict[str, str]:
    """Return ``extra_hosts``: the addresses of each name, separated by commas, without repeats."""
    hosts: dict[str, str] = {}
    for name, member in fields.each("extra_hosts").items():
        items = member.items() if isinstance(member.node, ListNode) else [member]
        if len(items) == 1:  # its key is that of the name: it need not be written as a list
            items = [Cursor(items[0].node, member.key, member.problems)]
        addresses = [address for item in items if (address := _host_address(item)) is not None]
        if addresses:
            hosts[name] = ",".join(dict.fromkeys(addresses))
    return hosts


def _host_address(item: Cursor) -> str | None:
    """An IP address, of which brackets are removed, or ``host-gateway``."""
    if not isinstance(item.node, ScalarNode) or is_null(item.node):
        item.wrong("one IP address")
        return None
    text = item.text() or ""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        if text != "host-gateway":
            check_address(text)
    except ValueError as error:
        item.error(str(error), expected="an IP address or host-gateway")
        return None
    return text
