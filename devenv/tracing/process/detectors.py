"""Resource detectors by name: `os`, `host`, `process`, and those of installed packages."""

from __future__ import annotations

import logging
import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once

_log = logging.getLogger(__name__)

GROUP = "opentelemetry_resource_detector"


def detected(names: Sequence[str]) -> dict[str, Any]:
    """Return what the detectors find; one that fails or is not installed is a warning."""
    found: dict[str, Any] = {}
    for name in _BUILT_IN if "*" in names else ():
        found.update(_BUILT_IN[name]())
    for name in names:
        if name in _BUILT_IN:
            found.update(_BUILT_IN[name]())
        elif name not in _ALWAYS:
            found.update(_of_packages(name))
    return {key: value for key, value in found.items() if isinstance(value, (str, bool, int, float)) and value != ""}


def _of_packages(name: str) -> dict[str, Any]:
    from devenv.tracing.process.entry_points import entry_points

    points = [
        point
        for point in entry_points(GROUP)
        if (name == "*" and point.name not in _BUILT_IN and point.name not in _ALWAYS) or point.name == name
    ]
    if not points and name != "*":
        warn_once(_log, "resource detector %s is not installed", repr(name))
    found: dict[str, Any] = {}
    for point in points:
        try:
            found.update(point.load()().detect().attributes)
        except Exception as error:  # noqa: BLE001 - logged; a package that fails must not stop the program
            warn_once(_log, "resource detector %s failed: %s", point.name, described(error))
    return found


def _os() -> dict[str, Any]:
    return {"os.type": platform.system().lower(), "os.version": platform.release(), "os.name": platform.system()}


def _host() -> dict[str, Any]:
    return {"host.name": socket.gethostname(), "host.arch": platform.machine()}


def _process() -> dict[str, Any]:
    return {
        "process.pid": os.getpid(),
        "process.parent_pid": os.getppid(),
        "process.executable.name": Path(sys.executable or "").name,
        "process.executable.path": sys.executable or "",
        "process.runtime.description": sys.version,
    }


_BUILT_IN: Mapping[str, Callable[[], dict[str, Any]]] = {"os": _os, "host": _host, "process": _process}
# What the resource has in any case: OTEL_RESOURCE_ATTRIBUTES, and the service.
_ALWAYS = frozenset({"otel", "service", "*"}) - {"*"}
