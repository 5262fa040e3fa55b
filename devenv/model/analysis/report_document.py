"""The JSON document of ``devenv report``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part
from devenv.model.load_documents import ThresholdDocument


class OperationPart(Part):
    """One operation of a service: all its spans of one name and kind.

    ``self_ms`` is their mean self time: a span's duration without the time in which its children ran.
    ``critical_share`` is the operation's part (0 to 1) of the time on the critical paths of all traces. ``outlived``
    counts the spans of which a child ended later than the span. Percentiles are exact, and ``null`` with too few
    samples for them. ``slowest_trace`` and ``failed_trace`` are examples.
    """

    name: str
    kind: str
    requests: int
    rate: float
    errors: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    self_ms: float
    critical_share: float
    outlived: int = 0
    slowest_trace: str = ""
    failed_trace: str = ""


class ServiceFiguresPart(Part):
    """One service: the requests and messages that it received, and the work that it began itself."""

    name: str
    requests: int
    rate: float
    errors: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    critical_share: float
    operations: list[OperationPart]


class BottleneckPart(Part):
    """An operation with time on critical paths, the one with most of it first."""

    service: str
    operation: str
    critical_share: float
    self_ms: float


class ObjectivePart(Part):
    """One criterion of an objective of ``x-devenv.slo``.

    ``target`` is what is wanted, in words; ``wanted`` and ``value`` are shares (0 to 1) of good requests, ``value`` is
    ``null`` without requests. ``budget_left`` is the part of the error budget that is left, negative if it is
    overdrawn. ``burn`` and ``burn_5m`` are burn rates over the window and over its last 5 minutes: at 1 the budget is
    used up at the end of the window. ``window_s`` is ``null`` if the window is the time of the report.
    """

    name: str
    service: str
    operation: str | None
    target: str
    wanted: float
    value: float | None
    ok: bool
    budget_left: float
    burn: float | None
    burn_5m: float | None
    requests: int
    bad: int
    window_s: float | None


class ComponentPart(Part):
    """An operation with a fault: requests failed, its service crashed, it is slower, or it loses the context.

    ``error`` is what the failed spans say, or what else is wrong. ``caused_by`` is the position of the component that
    is the cause, ``null`` if it has none; ``seen_by`` names the service whose calls show the fault if the component has
    no spans of them. ``share`` is the part (0 to 1) of ``requests`` of those since the first. ``retried`` attempts
    failed and were made good by a later one. ``before_ms`` and ``after_ms`` are of a slower operation: the usual time
    and that of the slow requests, as medians: of the operation itself, or with ``caused_by`` with what it waits for.
    """

    service: str
    operation: str
    error: str
    since: str
    requests: int
    example_traces: list[str]
    caused_by: int | None = None
    seen_by: str = ""
    share: float = 0.0
    retried: int = 0
    kind: Literal["error", "crash", "latency", "lost context"] = "error"
    before_ms: float | None = None
    after_ms: float | None = None


class ChangePart(Part):
    """What the engine reports of a service: that it was started, that it ended and how."""

    time: str
    service: str
    what: str


class IncidentPart(Part):
    """What is wrong, causes before their consequences, and what changed before and meanwhile, oldest first."""

    components: list[ComponentPart]
    changes: list[ChangePart]


class ReportDocument(Document):
    """``devenv report``.

    ``source`` is the kind of trace backend. ``looked_at`` traces were read, from ``since`` to ``until`` (RFC 3339);
    ``older_left_out``: there are older ones of that time. Rates are over ``seconds``: since the first of the traces.
    ``missing`` counts the traces of a run that the trace backend does not have. ``incident`` is ``null`` if nothing
    is found, or if it was not asked for.
    """

    schema_: Literal["devenv.report/1"] = Field(default="devenv.report/1", alias="schema")
    source: str
    since: str
    until: str
    services: list[ServiceFiguresPart]
    bottlenecks: list[BottleneckPart]
    slo: list[ObjectivePart] = Field(default_factory=list)
    incident: IncidentPart | None = None
    thresholds: list[ThresholdDocument] = Field(default_factory=list)
    run: str | None = None
    requests: int
    errors: int
    seconds: float
    looked_at: int
    older_left_out: bool = False
    missing: int = 0
