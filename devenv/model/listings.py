"""JSON documents of the commands that change nothing: runs, traces, stacks, config, doctor, open."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from devenv.model.documents import Document, Part
from devenv.model.trace import Mark


class RunPart(Part):
    """One line of ``devenv runs list``; latencies in milliseconds."""

    run_id: str
    name: str | None
    started_at: str
    scenario: str
    rps: float
    sent: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    complete: int
    valid: bool


class RunsDocument(Document):
    """``devenv runs list``, newest first."""

    schema_: Literal["devenv.runs/1"] = Field(default="devenv.runs/1", alias="schema")
    runs: list[RunPart]


class TraceSummaryPart(Part):
    """One trace of a search; ``start`` is RFC 3339 in UTC, ``orphans`` counts the spans whose parent is missing.

    ``entry_service`` and ``entry_operation``: where a request of devenv entered the system; empty for others' requests.
    """

    trace_id: str
    root_service: str
    root_operation: str
    entry_service: str = ""
    entry_operation: str = ""
    start: str
    duration_ms: float
    spans: int
    errors: int
    orphans: int = 0
    services: list[str]
    ui_url: str


class TracesDocument(Document):
    """``devenv traces search``, newest first.

    ``looked_at`` is the number of traces that devenv itself read and filtered, because the backend does not know
    filters; ``null`` if the backend searched all its traces. ``older_left_out``: it has older ones that were not read.
    """

    schema_: Literal["devenv.traces/1"] = Field(default="devenv.traces/1", alias="schema")
    traces: list[TraceSummaryPart]
    looked_at: int | None = None
    older_left_out: bool = False


class ExportDocument(Document):
    """``devenv traces export --output FILE``: what was written."""

    schema_: Literal["devenv.export/1"] = Field(default="devenv.export/1", alias="schema")
    file: str
    traces: int
    spans: int


class ImportDocument(Document):
    """``devenv traces import``: what was sent to the backend, with links; ``spans`` includes the refused ones."""

    schema_: Literal["devenv.import/1"] = Field(default="devenv.import/1", alias="schema")
    traces: list[str]
    spans: int
    ui_urls: list[str]
    refused: int = 0
    refused_reason: str = ""


class ViewDocument(Document):
    """``devenv view``, printed when it listens.

    ``traces`` and ``spans`` are those of the files, ``spans`` with the refused ones; ``setup`` has lines to paste, by
    title. ``storage`` is the folder that keeps the traces, if one does, ``storage_notices`` what is wrong with it, and
    ``restored_spans`` and ``restored_log_records`` the numbers of those that it had.
    """

    schema_: Literal["devenv.view/1"] = Field(default="devenv.view/1", alias="schema")
    ui_url: str
    query_url: str
    otlp_http_url: str
    otlp_grpc_url: str
    traces: list[str]
    spans: int
    refused: int = 0
    refused_reason: str = ""
    storage: str = ""
    storage_notices: list[str] = Field(default_factory=list)
    restored_spans: int = 0
    restored_log_records: int = 0
    setup: dict[str, list[str]]


class SpanPart(Part):
    """One row of a waterfall; offset from the trace's start and duration in milliseconds.

    ``marks`` names what is wrong with the span's place in the trace: its parent is missing (``orphan``), its parents
    lead back to it (``cycle``), an earlier span has the same ID (``duplicate``), or it starts before its parent
    (``skew``); or with its times: it ends before it starts (``reversed``), or has no start time (``untimed``).
    """

    span_id: str
    parent_id: str | None
    service: str
    operation: str
    kind: str
    depth: int
    offset_ms: float
    duration_ms: float
    error: bool
    on_critical_path: bool
    marks: list[Mark] = Field(default=[])
    attributes: dict[str, Any]


class TraceDocument(Document):
    """``devenv traces show``: rows in the order of the waterfall."""

    schema_: Literal["devenv.trace/1"] = Field(default="devenv.trace/1", alias="schema")
    trace_id: str
    duration_ms: float
    services: list[str]
    spans: list[SpanPart]
    ui_url: str


class StackPart(Part):
    """One stack that can run."""

    name: str
    files: list[str]
    default: bool


class StacksDocument(Document):
    """``devenv stacks list``."""

    schema_: Literal["devenv.stacks/1"] = Field(default="devenv.stacks/1", alias="schema")
    stacks: list[StackPart]


class ConfigDocument(Document):
    """``devenv config`` and ``devenv stacks show``: the resolved stack in Compose's long form.

    ``origins`` has the origin of each value by dotted path, and of the ``COMPOSE_*`` variables in use; filled only with
    ``--origin``. ``notice`` says how the stack was chosen, if that may surprise.
    """

    schema_: Literal["devenv.config/1"] = Field(default="devenv.config/1", alias="schema")
    project: str
    files: list[str]
    config: dict[str, Any]
    origins: dict[str, str] = Field(default_factory=dict)
    notice: str = ""
    warnings: list[str] = Field(default_factory=list)


class CheckPart(Part):
    """One check of ``doctor``."""

    name: str
    verdict: Literal["ok", "warning", "error", "skipped"]
    found: str
    hint: str = ""


class DoctorDocument(Document):
    """``devenv doctor``."""

    schema_: Literal["devenv.doctor/1"] = Field(default="devenv.doctor/1", alias="schema")
    checks: list[CheckPart]


class OpenDocument(Document):
    """``devenv open``: ``opened`` is false if no browser was started."""

    schema_: Literal["devenv.open/1"] = Field(default="devenv.open/1", alias="schema")
    url: str
    opened: bool
