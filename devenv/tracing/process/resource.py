"""The resource: describes the sender of the spans (https://opentelemetry.io/docs/specs/semconv/resource/)."""

from __future__ import annotations

import os
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import uuid4

from devenv.tracing.process.ending import started_by_multiprocessing
from devenv.tracing.settings import Settings


class ProcessResource:
    """The resource attributes of this process; a call returns them, updated after a fork.

    `service.instance.id` is always set and unique per process: random, or the configured one, to which a worker
    process (forked or started by multiprocessing) adds its pid.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pid = os.getpid()
        self._first_pid = self._pid
        self._attributes = self._make()

    def __call__(self) -> dict[str, Any]:
        """Return the attributes of the calling process."""
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._attributes = self._make()
        return self._attributes

    def _make(self) -> dict[str, Any]:
        settings = self._settings
        configured = dict(settings.resource)
        instance = configured.pop("service.instance.id", "")
        worker = self._pid != self._first_pid or started_by_multiprocessing()
        if instance and worker:
            instance = f"{instance}-{self._pid}"
        attributes: dict[str, Any] = {
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": _version("opentelemetry-api"),
            "telemetry.distro.name": "devenv",
            "telemetry.distro.version": _version("devenv-otel"),
            "process.pid": self._pid,
            "process.runtime.name": sys.implementation.name,
            "process.runtime.version": ".".join(str(part) for part in sys.version_info[:3]),
            "host.name": _host_name(),
            "deployment.environment.name": settings.environment,
        }
        if settings.resource_detectors:
            from devenv.tracing.process.detectors import detected

            attributes.update(detected(settings.resource_detectors))
        attributes.update(configured)
        attributes["service.name"] = settings.service_name
        attributes["service.instance.id"] = instance or str(uuid4())
        return attributes


def _host_name() -> str:
    try:
        return socket.gethostname()
    except OSError:  # a sandbox
        return ""


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # a copy without metadata, for example a zipapp
        return "unknown"
