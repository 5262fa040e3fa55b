"""Short and long forms of ``ports``, in the Compose Spec's grammar ``[[IP:]HOST:]CONTAINER[/PROTOCOL]``."""

from __future__ import annotations

import re

from devenv.immutable import immutable

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_PROTOCOLS = ("tcp", "udp", "sctp")
GRAMMAR = "[[IP:]HOST:]CONTAINER[/PROTOCOL], such as 8080:80, 127.0.0.1:8080:80 or 3000-3005/udp"


@immutable()
class ShortPort:
    """One port of a short form; ``published`` is a number, a range, or empty if the engine chooses."""

    target: int
    published: str
    host_ip: str
    protocol: str


def port_range(text: str) -> tuple[int, int]:
    """Return the first and last port of ``80`` or ``8000-8010``.

    Raises:
        ValueError: If it is not a port or a range of ports; the message is the reason.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a port or a range of ports")
    first, last = int(match.group(1)), int(match.group(2) or match.group(1))
    if not 1 <= first <= 65535 or not 1 <= last <= 65535:
        raise ValueError(f"{text!r} is not from 1 to 65535")
    if last < first:
        raise ValueError(f"the range {text} ends before it starts")
    return first, last


def parse_short(text: str) -> list[ShortPort]:
    """Return the ports of a short form, a range of container ports as single ports.

    Raises:
        ValueError: If it is not a short form; the message is the reason.
    """
    body, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}: one of {', '.join(_PROTOCOLS)}")
    address, host, container = _split(body)
    first, last = port_range(container)
    count = last - first + 1
    if not host:
        return [ShortPort(port, "", address, protocol) for port in range(first, last + 1)]
    host_first, host_last = port_range(host)
    if count == 1 and host_last > host_first:  # the engine chooses a free port of the range
        return [ShortPort(first, f"{host_first}-{host_last}", address, protocol)]
    if host_last - host_first + 1 != count:
        raise ValueError(f"the ranges {host} and {container} differ in length")
    return [ShortPort(first + i, str(host_first + i), address, protocol) for i in range(count)]


def _split(body: str) -> tuple[str, str, str]:
    """Address, host part and container part; IPv6 addresses may be in brackets."""
    rest, _, container = body.rpartition(":")
    address, _, host = rest.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address:
        check_address(address)
    return address, host, container


def check_address(text: str) -> None:
    """Check that ``text`` is an IP address.

    Raises:
        ValueError: If it is not.
    """
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address") from error
