"""The JSON documents that ``--json`` prints. They are an interface: fields are added, never renamed.

Times end in ``_ms`` (milliseconds) or ``_s``; every document starts with ``schema``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from devenv.model.trace import CanaryVerdict


class Document(BaseModel):
    """Base of all documents."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Part(Document):
    """A part of a document, without its own schema."""


class PortDocument(Part):
    """A published port and its URL."""

    host: int
    container: int
    address: str
    url: str


class InstanceDocument(Part):
    """One instance of a service."""

    id: str
    state: str
    health: str
    index: int = 1
    restarts: int = 0
    exit_code: int | None = None
    uptime_s: float | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None


class ServiceTracingDocument(Part):
    """Who traces a service.

    ``own``: the service itself, as far as its files show; ``devenv``: what ``up`` added to it; ``none``: it is not
    traced, and ``note`` says why; ``not needed``: a database, broker, web server or such, which callers' spans show.
    ``spans``: how many the canary trace has of it; ``null`` if there was no canary request.
    """

    by: Literal["own", "devenv", "none", "not needed"]
    language: str = ""
    spans: int | None = None
    note: str = ""


class ServiceDocument(Part):
    """One service; its state is the worst of those of its instances."""

    name: str
    state: str
    health: str
    ready_ms: float | None = None
    ports: list[PortDocument] = Field(default_factory=list)
    instances: list[InstanceDocument] = Field(default_factory=list)
    uptime_s: float | None = None
    restarts: int = 0
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    spans_per_second: float | None = None
    tracing: ServiceTracingDocument | None = None


class TraceBackendDocument(Part):
    """The trace backend, with URLs that are reachable from this machine.

    ``access``: ``token`` if query APIs and pages want one, else every user of this machine can read the traces.
    ``storage``: the folder with the embedded one's traces, if they are on disk; ``storage_notices``: what is wrong
    with it.
    """

    kind: Literal["jaeger", "embedded"]
    ui_url: str
    query_url: str
    otlp_http_url: str
    access: Literal["open", "token"] = "open"
    storage: str = ""
    storage_notices: list[str] = Field(default_factory=list)


class LogLineDocument(Part):
    """A line of a service's output."""

    service: str
    text: str


class CanaryDocument(Part):
    """The result of the canary request; if it is not ``complete``, with ``cause`` and ``missing`` services.

    ``said`` has log lines about failed exports, of the services whose spans are missing. ``no_spans_yet`` has the other
    traced services without a span since they started. ``untraced``: no service shows any sign of tracing; ``advice``
    then has lines that start it. ``spans_of`` has the number of spans by service name.
    """

    verdict: CanaryVerdict
    trace_id: str | None = None
    spans: int = 0
    services: list[str] = Field(default_factory=list)
    ui_url: str | None = None
    elapsed_ms: float = 0.0
    status: int | None = None
    missing: list[str] = Field(default_factory=list)
    cause: str = ""
    said: list[LogLineDocument] = Field(default_factory=list)
    no_spans_yet: list[str] = Field(default_factory=list)
    untraced: bool = False
    advice: list[str] = Field(default_factory=list)
    spans_of: dict[str, int] = Field(default_factory=dict)


class FailureDocument(Part):
    """Why a service did not become ready: the facts of the block that ``up`` shows."""

    service: str
    reason: str
    probe: str = ""
    last_answer: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    log_tail: list[str] = Field(default_factory=list)
    waited_for_by: list[str] = Field(default_factory=list)


class ActionDocument(Part):
    """What ``up`` does with one object."""

    action: str
    target: str
    reason: str = ""


class ConditionDocument(Part):
    """A condition that a step waits for; ``steps`` are the IDs of the steps that fulfil it."""

    service: str
    condition: Literal["started", "healthy", "completed"]
    required: bool
    steps: list[int]


class StepDocument(Part):
    """One call to the engine, or one wait for readiness.

    Attributes:
        id: from 1; a step waits only for steps with smaller IDs.
        call: what is done with ``target``, as part of ``action``.
        after: IDs of the steps that have to succeed first.
        follows: IDs of the steps that have to end first, whether they succeed or not.
        waits_for: conditions of services that have to be met first.
    """

    id: int
    call: str
    action: str
    target: str
    service: str
    after: list[int]
    follows: list[int]
    waits_for: list[ConditionDocument]


class CollectorRouteDocument(Part):
    """Services, the collector of the stack that they send to, and the trace backend that it passes their spans on to.

    ``spans_arrive``: spans of one of them are there; ``null`` if that was not checked.
    """

    services: list[str]
    collector: str
    backend: str
    spans_arrive: bool | None = None


class UpDocument(Document):
    """``devenv up``."""

    schema_: Literal["devenv.up/1"] = Field(default="devenv.up/1", alias="schema")
    project: str
    stack: str
    engine: str
    engine_reason: str
    services: list[ServiceDocument]
    trace_backend: TraceBackendDocument | None
    entrypoint_url: str | None
    canary: CanaryDocument
    elapsed_ms: float
    failures: list[FailureDocument] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    timed_out: bool = False
    collectors: list[CollectorRouteDocument] = Field(default_factory=list)


class PlanDocument(Document):
    """``devenv up --dry-run``."""

    schema_: Literal["devenv.plan/1"] = Field(default="devenv.plan/1", alias="schema")
    project: str
    stack: str
    engine: str
    engine_reason: str
    actions: list[ActionDocument]
    steps: list[StepDocument] = Field(default_factory=list)


class StatusDocument(Document):
    """``devenv status``.

    ``no_spans_yet`` has the traced services without a span since they started, ``also_on`` the other engines on which
    the project runs.
    """

    schema_: Literal["devenv.status/1"] = Field(default="devenv.status/1", alias="schema")
    project: str
    stack: str
    engine: str
    services: list[ServiceDocument]
    trace_backend: TraceBackendDocument | None = None
    entrypoint_url: str | None = None
    failures: list[FailureDocument] = Field(default_factory=list)
    no_spans_yet: list[str] = Field(default_factory=list)
    also_on: list[str] = Field(default_factory=list)
    collectors: list[CollectorRouteDocument] = Field(default_factory=list)


class ErrorPart(Part):
    """One error, with its exit code."""

    code: int
    kind: str
    message: str
    hint: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


class ErrorDocument(Document):
    """What ``--json`` prints if a command fails."""

    schema_: Literal["devenv.error/1"] = Field(default="devenv.error/1", alias="schema")
    error: ErrorPart
