"""The JSON document of ``devenv check``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part
from devenv.model.load_documents import ThresholdDocument


class RulePart(Part):
    """A published rule of the Instrumentation Score, for one service.

    ``ok`` is ``null`` if the rule is not judged, for which ``reason`` is given. ``affected`` is the number of traces in
    which it is broken, ``example_traces`` are some of them.
    """

    id: str
    ok: bool | None
    impact: Literal["critical", "important", "normal", "low"]
    affected: int
    title: str
    reason: str = ""
    example_traces: list[str] = Field(default_factory=list)


class ScorePart(Part):
    """The Instrumentation Score of a service: 0 to 100, rounded down; ``null`` if no rule was judged."""

    name: str
    score: int | None
    rules: list[RulePart]
    not_judged: list[str]


class FindingPart(Part):
    """What is wrong with the tracing of a service, by devenv's own checks; no score depends on it.

    ``severity`` is ``bad`` if traces are incomplete or contain secrets, ``warn`` if they are hard to use. ``service``
    is where to look first, ``others`` are further services that it is about. ``count`` is the number of spans, calls or
    names that are affected, as ``evidence`` says.
    """

    kind: str
    service: str
    evidence: str
    example_traces: list[str]
    advice: str
    severity: Literal["bad", "warn"]
    others: list[str] = Field(default_factory=list)
    title: str
    count: int


class CheckDocument(Document):
    """``devenv check``.

    ``source`` is the kind of trace backend. ``looked_at`` traces were checked, from ``since`` to ``until`` (RFC 3339);
    ``older_left_out``: there are older ones of that time. ``missing`` counts the traces of a run that the trace backend
    does not have. ``score_version`` is that of the Instrumentation Score's specification. ``stack_known`` is false
    without the project's stack file: then only spans tell which services there are.
    """

    schema_: Literal["devenv.check/1"] = Field(default="devenv.check/1", alias="schema")
    source: str
    since: str
    until: str
    services: list[ScorePart]
    findings: list[FindingPart]
    thresholds: list[ThresholdDocument] = Field(default_factory=list)
    run: str | None = None
    looked_at: int
    older_left_out: bool = False
    missing: int = 0
    score_version: str
    stack_known: bool = True
