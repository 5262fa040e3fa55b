"""The project's record of its last ``up``, in ``.devenv/project.json``, for speed and for ``down``.

It is only a cache: on Docker the labels are authoritative, and a lost record is restored from them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from devenv.disk import check_state_directory, make_state_directory, remove_file, replace_file
from devenv.immutable import immutable
from devenv.model.identity import Project, identify

STATE = ".devenv"
"""The project's directory of devenv's own files."""
FILE = "project.json"


@immutable(kw_only=True)
class Record:
    """The project as the last ``up`` started it.

    Attributes:
        id: the project's ID; ``name``: its slug.
        stack: the label of the stack; ``engine``: the one it runs on.
        entrypoint: service name; ``None`` if the stack has none.
        trace_backend: service name; ``None`` on engines with an embedded one.
        expected_services: the services in the canary's trace, and those that are missing from it, sorted.
        ready_ms: by service, of the last ``up``.
        probes: ``x-devenv.ready`` and the ports by service, so that ``status`` does not read the stack file.
        traced: service names in spans by service, of those that are expected to send spans.
        heard: when those of them started that have sent spans since then, by service name in spans.
        routes: ways of spans through collectors of the stack: ``services``, ``collector``, ``backend``.
        otlp_http_url: of the trace backend; ``devenv.tracing.launch`` reads it, so that ``run`` need not ask an engine.
    """

    id: str
    name: str
    stack: str
    engine: str
    entrypoint: str | None = None
    trace_backend: str | None = None
    expected_services: tuple[str, ...] = ()
    ready_ms: dict[str, float] | None = None
    probes: dict[str, Any] | None = None
    traced: dict[str, str] | None = None
    heard: dict[str, float] | None = None
    otlp_http_url: str | None = None
    routes: list[dict[str, Any]] | None = None

    def project(self, directory: Path) -> Project:
        """The identity that was recorded."""
        return Project(directory=directory, name=self.name, id=self.id)


def read_record(directory: Path) -> Record | None:
    """The record; ``None`` if there is none that can be read and fits the directory, because it is only a cache.

    A record of another directory comes with a clone or a copy: it says nothing of what runs here.

    Raises:
        EnvironmentFailure: If ``.devenv`` is not a directory of this user.
    """
    if not check_state_directory(directory / STATE):
        return None
    path = directory / STATE / FILE
    try:
        data = json.loads(path.read_text())
        data["expected_services"] = tuple(data.get("expected_services", ()))
        record = Record(**data)
        fits = record.id == identify(directory, record.name).id
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return record if fits else None


def write_record(directory: Path, record: Record) -> None:
    """Replace the record.

    Raises:
        EnvironmentFailure: If it cannot be written.
    """
    path = make_state_directory(directory / STATE) / FILE
    replace_file(path, json.dumps(asdict(record)).encode(), durable=False)


def forget_record(directory: Path) -> None:
    """Remove the record after ``down``; runs, logs and reserved ports stay.

    Raises:
        EnvironmentFailure: If it cannot be removed.
    """
    remove_file(directory / STATE / FILE)
