"""The project's record: what it is up on, kept in ``.devenv/project.json`` for speed and for ``down``.

It is a cache, never the truth: on Docker the labels are, and a lost record is made anew from them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devenv.disk import make_state_directory, replace_file
from devenv.model.identity import Project

FILE = "project.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was brought up last.

    Attributes:
        id: the project's id; ``name`` its slug.
        stack: the label of the stack; ``engine``: what it is up on.
        entrypoint: service name, ``None`` where the stack has none.
        trace_backend: service name, ``None`` on engines that bring their own.
        expected_services: those that the canary found in its trace, sorted.
        ready_ms: by service, of the last ``up``.
        probes: ``x-devenv.ready`` and the ports by service, so that ``status`` need not read the stack file.
        otlp_http_url: of the trace backend; read by ``devenv.tracing.launch``, so that ``run`` asks no engine.
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
    otlp_http_url: str | None = None

    def project(self, directory: Path) -> Project:
        """The identity that was recorded."""
        return Project(directory=directory, name=self.name, id=self.id)


def read_record(directory: Path) -> Record | None:
    """The record, or ``None`` where there is none that can be read: it is only a cache."""
    path = directory / ".devenv" / FILE
    try:
        data = json.loads(path.read_text())
        data["expected_services"] = tuple(data.get("expected_services", ()))
        return Record(**data)
    except (OSError, ValueError, TypeError):
        return None


def write_record(directory: Path, record: Record) -> None:
    """Replace the record in one step, so that a reader never sees half of it."""
    path = make_state_directory(directory / ".devenv") / FILE
    replace_file(path, json.dumps(asdict(record)).encode(), durable=False)


def forget_record(directory: Path) -> None:
    """Remove the record after ``down``; runs, logs and remembered ports stay."""
    (directory / ".devenv" / FILE).unlink(missing_ok=True)
