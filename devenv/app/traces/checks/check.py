"""``devenv check``: the Instrumentation Score of each service, and devenv's own findings beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.analysis.thresholds import evaluate
from devenv.app.traces.checks.surroundings import logged_losses, silent_services, surroundings
from devenv.app.traces.traced_project import TracedProject, traced_project
from devenv.errors import NEGATIVE_VERDICT
from devenv.immutable import immutable
from devenv.model.analysis.check_document import CheckDocument, FindingPart, RulePart, ScorePart
from devenv.traces.query import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.analysis.checks.checks import TraceChecks
    from devenv.analysis.checks.finding import TracingFinding
    from devenv.analysis.checks.score.scores import RuleVerdict, ServiceScore
    from devenv.app.invocation import Invocation
    from devenv.app.traces.checks.reading import CheckedTime
    from devenv.clock import Clock
    from devenv.model.run import Threshold
    from devenv.traces.client import TraceClient

TIMEOUT = 60.0
"""Seconds for one request to the trace backend: a page of large traces."""


@immutable(kw_only=True)
class CheckOptions:
    """What is checked.

    Attributes:
        start_ns, end_ns: the time, nanoseconds since the epoch.
        run: ID or name of a saved run, whose traces are read instead of those of a time.
        service: only the score of this service, and findings about it.
        thresholds: what has to be met.
        limit: maximum number of traces that are read.
    """

    start_ns: int
    end_ns: int
    run: str | None = None
    service: str | None = None
    thresholds: Sequence[Threshold] = ()
    limit: int = 10_000


async def check(invocation: Invocation, options: CheckOptions, clock: Clock) -> CheckDocument:
    """Check the tracing that the traces of some time or of a run show.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If its trace backend does not respond.
        StackFileError: If its stack file is not valid.
        UnknownName: If no run has that ID or name, or no service of that name has spans.
    """
    from devenv.analysis.checks.checks import TraceChecks
    from devenv.traces.client import TraceClient

    around = await traced_project(invocation)
    checks = TraceChecks(surroundings(around))
    async with TraceClient(around.backend.query_url, token=around.backend.token, timeout=TIMEOUT) as client:
        looked = await _read(invocation, client, checks, options, clock)
        silent = await silent_services(client, around, now=clock.now(), seen=checks.seen)
        if options.service is not None and options.service not in {*checks.seen, *silent}:
            from devenv.app.traces.called_services import require_service

            await require_service(client, options.service)
    findings = await _findings(invocation, around, checks, silent, clock.now())
    return _document(around, options, checks, findings, looked)


def verdict_code(document: CheckDocument) -> int:
    """Exit code: 1 if a threshold is not met, else 0."""
    return 0 if all(threshold.ok for threshold in document.thresholds) else NEGATIVE_VERDICT


async def _read(
    invocation: Invocation, client: TraceClient, checks: TraceChecks, options: CheckOptions, clock: Clock
) -> CheckedTime:
    from devenv.app.traces.checks.reading import Reading

    reading = Reading(client, checks, clock, limit=options.limit)
    if options.run is None:
        return await reading.window(options.start_ns, options.end_ns)
    from devenv.app.traces.run_traces import traced_requests

    return await reading.run(traced_requests(invocation, options.run))


async def _findings(
    invocation: Invocation, around: TracedProject, checks: TraceChecks, silent: Mapping[str, str], now: float
) -> list[TracingFinding]:
    """The findings; those about lost spans with what the service logs about it."""
    from devenv.analysis.checks.findings.lost_spans import LOST, SILENT
    from devenv.traces.background import in_background

    if not checks.looked_at:  # without requests, only a fault in the settings tells that spans are missing
        silent = {name: fault for name, fault in silent.items() if fault}
    found = await in_background(lambda: checks.findings(silent))
    losing = [each.service for each in found if each.kind in {LOST, SILENT}]
    lines = await logged_losses(invocation, around, losing, now=now)
    return [
        replace(each, evidence=f"{each.evidence}; it logs: {lines[each.service]}")
        if each.kind in {LOST, SILENT} and each.service in lines
        else each
        for each in found
    ]


def _document(
    around: TracedProject,
    options: CheckOptions,
    checks: TraceChecks,
    findings: Sequence[TracingFinding],
    looked: CheckedTime,
) -> CheckDocument:
    from devenv.analysis.checks.score.published import VERSION

    wanted = options.service
    services = [_score(each) for each in checks.scores() if wanted in {None, each.service}]
    parts = [_finding(each) for each in findings if wanted is None or wanted in {each.service, *each.others}]
    measured = {
        "score": min((each.score for each in services if each.score is not None), default=None),
        "findings": len(parts) if checks.looked_at else None,
    }
    return CheckDocument(
        source=around.backend.kind,
        since=rfc3339(looked.start_ns),
        until=rfc3339(looked.end_ns),
        services=services,
        findings=parts,
        thresholds=evaluate(options.thresholds, measured),
        run=looked.run_id,
        looked_at=checks.looked_at,
        older_left_out=looked.more,
        missing=looked.missing,
        score_version=VERSION,
        stack_known=around.stack is not None,
    )


def _score(found: ServiceScore) -> ScorePart:
    return ScorePart(
        name=found.service,
        score=None if found.score is None else int(found.score),
        rules=[_rule(verdict) for verdict in found.rules],
        not_judged=[verdict.rule.id for verdict in found.rules if verdict.ok is None],
    )


def _rule(verdict: RuleVerdict) -> RulePart:
    return RulePart(
        id=verdict.rule.id,
        ok=verdict.ok,
        impact=verdict.rule.impact,
        affected=verdict.affected,
        title=verdict.rule.title,
        reason=verdict.reason,
        example_traces=list(verdict.examples),
    )


def _finding(found: TracingFinding) -> FindingPart:
    return FindingPart(
        kind=found.kind,
        service=found.service,
        evidence=found.evidence,
        example_traces=list(found.examples),
        advice=found.advice,
        severity=found.severity,
        others=[name for name in found.others if name != found.service],
        title=found.title,
        count=found.count,
    )
