"""Runs a program with tracing and without a change of its code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

STARTUP = Path(__file__).resolve().parent / "startup"


def environment(
    environ: Mapping[str, str], *, config: str | Path | None = None, service_name: str = ""
) -> dict[str, str]:
    """The environment in which every Python program traces itself, its children included.

    Args:
        environ: The environment to start from.
        config: A config.yaml; its `tracing` section is read.
        service_name: The service's name where `OTEL_SERVICE_NAME` is not set.
    """
    found = dict(environ)
    others = [entry for entry in found.get("PYTHONPATH", "").split(os.pathsep) if entry and Path(entry) != STARTUP]
    found["PYTHONPATH"] = os.pathsep.join([str(STARTUP), *others])
    if config is not None:
        found["DEVENV_TRACING_CONFIG"] = str(Path(config).resolve())
    if service_name:
        found.setdefault("OTEL_SERVICE_NAME", service_name)
    return found
