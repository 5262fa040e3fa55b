"""Reads how a service is reached: ``ports``, ``expose``, ``networks``, ``extra_hosts``."""

from __future__ import annotations

from typing import cast

from devenv.model.stack import Attachment, Port, Protocol
from devenv.stack.compose.port_syntax import check_address, port_range
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.yaml.nodes import ListNode, ScalarNode, is_null

_PORT = ("name", "target", "published", "host_ip", "protocol", "app_protocol", "mode")
_ATTACHMENT = ("aliases", "ipv4_address", "ipv6_address", "mac_address", "priority")
_ATTACHMENT_REFUSED = {
    "driver_opts": "put driver_opts under the network itself",
    "gw_priority": "not supported yet; remove it",
    "interface_name": "not supported yet; remove it",
    "link_local_ips": "not supported yet; remove it",
}
DEFAULT_NETWORK = "default"


def read_ports(service: Fields) -> tuple[Port, ...]:
    """Published ports, all in long form by now; one that is written twice counts once, as in Compose."""
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
    """The port of the host, and the last one where a range is given; 0 and nothing leave it to the engine."""
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
    member, text = fields.get(name), fields.text(name)
    if member is None or not text:
        return None
    try:
        check_address(text)
    except ValueError as error:
        member.error(str(error), expected="an IP address")
        return None
    return text


def read_expose(service: Fields) -> tuple[int, ...]:
    """Ports that a service listens on and does not publish; only TCP ones are kept, others are stated."""
    exposed: list[int] = []
    for item in service.items("expose"):
        text, _, protocol = (item.text() or "").partition("/")
        try:
            first, last = port_range(text)
        except ValueError as error:
            item.error(str(error), expected="a port, or a range such as 8000-8010")
            continue
        if protocol not in ("", "tcp"):
            item.problems.warn(f"{item.key}: devenv acts on exposed TCP ports only", item.node.place)
            continue
        exposed.extend(range(first, last + 1))
    return tuple(dict.fromkeys(exposed))


def read_networks(service: Fields) -> tuple[Attachment, ...]:
    """The networks that a service is on, by falling priority; the default one where none is named."""
    members = service.each("networks")
    if not members:
        return () if service.get("network_mode") else (Attachment(network=DEFAULT_NETWORK),)
    if mode := service.get("network_mode"):
        mode.error(
            "network_mode and networks exclude each other", expected="one of the two", hint="remove one of the two"
        )
    attachments = [_attachment(name, member) for name, member in members.items()]
    return tuple(sorted(attachments, key=lambda attachment: -attachment.priority))


def _attachment(name: str, member: Cursor) -> Attachment:
    fields = member.fields(_ATTACHMENT, refused=_ATTACHMENT_REFUSED)
    return Attachment(
        network=name,
        aliases=fields.texts("aliases"),
        ipv4_address=_address(fields, "ipv4_address"),
        ipv6_address=_address(fields, "ipv6_address"),
        mac_address=fields.text("mac_address"),
        priority=fields.integer("priority") or 0,
    )


def read_hosts(fields: Fields) -> dict[str, str]:
    """``extra_hosts``: one address a name."""
    hosts: dict[str, str] = {}
    for name, member in fields.each("extra_hosts").items():
        target = member
        if isinstance(member.node, ListNode) and len(member.node.items) == 1:
            target = member.items()[0]
        if not isinstance(target.node, ScalarNode) or is_null(target.node):
            target.wrong("one IP address")
            continue
        text = target.text() or ""
        if text.startswith("[") and text.endswith("]"):
            text = text[1:-1]
        try:
            if text != "host-gateway":
                check_address(text)
        except ValueError as error:
            target.error(str(error), expected="an IP address or host-gateway")
            continue
        hosts[name] = text
    return hosts
