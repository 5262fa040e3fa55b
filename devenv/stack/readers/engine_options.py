"""Reads the keys of a service on which only its engine acts, in Compose's long form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.yaml.nodes import ScalarNode

_MAC_ADDRESS = re.compile(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")
_PERMISSIONS = re.compile(r"[rwm]{1,3}")
_CDI = re.compile(r"[\w.-]+(/[\w.-]+)?=.+")
_RATES = ("device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops")

Reader = Callable[[Cursor], Any]


def read_options(service: Fields) -> dict[str, Any]:
    """Return the options by key; sizes are texts of bytes, lists and mappings have their long form."""
    found: dict[str, Any] = {}
    for name, read in _READERS.items():
        member = service.get(name)
        value = read(member) if member else None
        if value is not None:
            found[name] = value
    return found


def read_devices(member: Cursor) -> list[dict[str, Any]]:
    """Return requests for devices such as GPUs, from ``gpus`` or ``deploy.resources.reservations.devices``."""
    requests: list[dict[str, Any]] = []
    for item in member.items():
        fields = item.fields(("capabilities", "driver", "count", "device_ids", "options"))
        if fields.get("count") and fields.get("device_ids"):
            item.error(f"{item.key}: count and device_ids cannot be used together", expected="one of the two")
        count = fields.get("count")
        request = {
            "capabilities": list(fields.texts("capabilities")),
            "driver": fields.text("driver"),
            "count": _count(count) if count else None,
            "device_ids": list(fields.texts("device_ids")),
            "options": fields.table("options"),
        }
        requests.append({key: value for key, value in request.items() if value not in (None, [], {})})
    return requests


def shared_service(text: str | None) -> str | None:
    """Return the service of ``service:NAME``, of ``ipc``, ``pid`` and ``network_mode``."""
    kind, _, name = (text or "").partition(":")
    return name if kind == "service" and name else None


def linked(text: str) -> tuple[str, str]:
    """Return service and alias of an entry of ``links``."""
    target, _, alias = text.partition(":")
    return target, alias or target


def _count(member: Cursor) -> int | None:
    return -1 if isinstance(member.node, ScalarNode) and member.node.value == "all" else member.integer(-1)


def _list(member: Cursor) -> list[str] | None:
    return list(member.texts()) or None


def _size(member: Cursor) -> str | None:
    size = member.size()
    return None if size is None else str(size)


def _swap(member: Cursor) -> str | int | None:
    """A size, or the number -1 for no limit: Compose refuses it as a text."""
    text = str(member.node.value) if isinstance(member.node, ScalarNode) else ""
    return -1 if text == "-1" else _size(member)


def _bounded(least: int, most: int) -> Reader:
    def read(member: Cursor) -> int | None:
        number = member.integer(least)
        if number is not None and number > most:
            member.wrong(f"a whole number from {least} to {most}")
            return None
        return number

    return read


def _swappiness(member: Cursor) -> str | None:
    number = _bounded(0, 100)(member)
    return None if number is None else str(number)


def _one_of(*allowed: str) -> Reader:
    return lambda member: member.choice(allowed)


def _ipc(member: Cursor) -> str | None:
    text = member.text()
    kind, _, target = (text or "").partition(":")
    if text in (None, "none", "host", "private", "shareable") or (kind in ("service", "container") and target):
        return text
    expected = "none, host, private, shareable, service:NAME or container:NAME"
    member.error(f"{member.key} must be {expected}", expected=expected)
    return None


def _mac_address(member: Cursor) -> str | None:
    text = member.text()
    if text is not None and not _MAC_ADDRESS.fullmatch(text):
        member.error(
            f"{text!r} is not a MAC address", expected="six pairs of hexadecimal digits, such as 02:42:ac:11:0:1"
        )
        return None
    return text


def _devices(member: Cursor) -> list[dict[str, str]] | None:
    devices: list[dict[str, str]] = []
    for item in member.items():
        fields = item.fields(("source", "target", "permissions"))
        required = fields.required("source") if fields.members else None
        source = required.text() if required else None
        if required is None or source is None:
            continue
        if not source.startswith("/") and _CDI.fullmatch(source):
            hint = "use gpus, or name the device's path"
            required.error(f"{item.key}: CDI devices are not supported", expected="the path of a device", hint=hint)
            continue
        permissions = fields.text("permissions") or "rwm"
        if not _PERMISSIONS.fullmatch(permissions):
            fields.members["permissions"].wrong("some of r, w and m")
        devices.append({"source": source, "target": fields.text("target") or source, "permissions": permissions})
    return devices or None


def _blkio(member: Cursor) -> dict[str, Any] | None:
    fields = member.fields(("weight", "weight_device", *_RATES))
    weight = fields.get("weight")
    found: dict[str, Any] = {"weight": _bounded(10, 1000)(weight) if weight else None}
    found["weight_device"] = [
        {"path": device.text("path"), "weight": device.integer("weight", 0)}
        for item in fields.items("weight_device")
        if (device := item.fields(("path", "weight"))).required("path") and device.required("weight")
    ]
    for name in _RATES:
        found[name] = [
            {"path": device.text("path"), "rate": _size(rate)}
            for item in fields.items(name)
            if (device := item.fields(("path", "rate"))).required("path") and (rate := device.required("rate"))
        ]
    return {key: value for key, value in found.items() if value not in (None, [])} or None


def _volumes_from(member: Cursor) -> list[str] | None:
    found: list[str] = []
    for item in member.items():
        text = item.text() or ""
        parts = text.removeprefix("container:").split(":")
        if len(parts) > 2 or not parts[0] or (len(parts) == 2 and parts[1] not in ("ro", "rw")):
            item.error(f"{text!r} is not an entry of volumes_from", expected="NAME[:ro] or container:NAME[:ro]")
            continue
        found.append(text)
    return found or None


_READERS: dict[str, Reader] = {
    "annotations": lambda member: member.table() or None,
    "blkio_config": _blkio,
    "cgroup": _one_of("host", "private"),
    "cgroup_parent": Cursor.text,
    "cpu_period": _bounded(0, 1_000_000),
    "cpu_quota": lambda member: member.integer(-1),
    "cpu_rt_period": lambda member: member.integer(0),
    "cpu_rt_runtime": lambda member: member.integer(0),
    "cpu_shares": lambda member: member.integer(0),
    "cpuset": Cursor.text,
    "device_cgroup_rules": _list,
    "devices": _devices,
    "dns_opt": _list,
    "dns_search": _list,
    "domainname": Cursor.text,
    "gpus": lambda member: read_devices(member) or None,
    "group_add": _list,
    "ipc": _ipc,
    "links": _list,
    "mac_address": _mac_address,
    "mem_reservation": _size,
    "mem_swappiness": _swappiness,
    "memswap_limit": _swap,
    "oom_kill_disable": lambda member: member.flag() or None,
    "oom_score_adj": _bounded(-1000, 1000),
    "runtime": Cursor.text,
    "storage_opt": lambda member: member.table() or None,
    "sysctls": lambda member: member.table() or None,
    "userns_mode": Cursor.text,
    "uts": _one_of("host"),
    "volumes_from": _volumes_from,
}
KEYS = tuple(_READERS)
"""The keys of a service that :func:`read_options` reads."""
