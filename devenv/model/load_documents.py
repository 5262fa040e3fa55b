"""The JSON documents of ``devenv load`` and of saved runs. They stand apart, as ``up`` and ``status`` make none."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part
from devenv.model.trace import TraceClass


class PercentilesDocument(Part):
    """Percentiles in milliseconds; ``None`` if there are not enough samples."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class LagDocument(Part):
    """The delay of requests, in milliseconds after their scheduled time."""

    p50: float | None = None
    p99: float | None = None
    max: float | None = None


class TraceCountsDocument(Part):
    """Number of requests in each class; the sum is the number sent."""

    complete: int = 0
    partial: int = 0
    split: int = 0
    orphaned: int = 0
    late: int = 0
    evicted: int = 0
    unsampled: int = 0
    unverified: int = 0
    absent: int = 0


class SlowRequestDocument(Part):
    """One of the slowest requests of a run, with a link to its trace."""

    trace_id: str
    response_ms: float
    ui_url: str | None


class ThresholdDocument(Part):
    """One ``--fail`` expression; ``value`` is ``None`` if it cannot be computed."""

    expr: str
    value: float | None
    ok: bool


class CauseDocument(Part):
    """Why requests are not in the class ``complete``; ``example`` is a trace ID."""

    trace_class: TraceClass
    count: int
    cause: str
    example: str | None = None


class LoadDocument(Document):
    """``devenv load`` and ``devenv runs show``.

    Attributes:
        verdict: ``passed`` or ``failed``; empty in runs that an older version saved.
        verdict_reasons: why it is ``failed``.
        interrupted_by: ``signal`` (Ctrl-C, SIGTERM) or ``down`` (the project was removed), if ``interrupted``.
        unverified_reason: why traces that should have been verified were not; empty if they were.
        redirects: responses with a status of 300 to 399 that count as success; the generator does not follow them.
    """

    schema_: Literal["devenv.load/1"] = Field(default="devenv.load/1", alias="schema")
    run_id: str
    valid: bool
    target_rps: float
    achieved_rps: float
    sent: int
    completed: int
    errors: dict[str, int]
    dropped: int
    response_ms: PercentilesDocument
    service_ms: PercentilesDocument
    generator_lag_ms: LagDocument
    traces: TraceCountsDocument
    slowest: list[SlowRequestDocument]
    thresholds: list[ThresholdDocument]
    cpu_us_per_request: float
    name: str | None = None
    scenario: str = ""
    target: str = ""
    started_at: str = ""
    duration_s: float = 0.0
    interrupted: bool = False
    invalid_reason: str = ""
    causes: list[CauseDocument] = Field(default_factory=list)
    ui_url: str | None = None
    verdict: Literal["passed", "failed", ""] = ""
    verdict_reasons: list[str] = Field(default_factory=list)
    interrupted_by: Literal["signal", "down", ""] = ""
    unverified_reason: str = ""
    redirects: int = 0
