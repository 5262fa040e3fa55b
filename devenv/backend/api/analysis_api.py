"""What Jaeger's UI asks an analysis beside Jaeger for: deep dependencies, and quality metrics.

Jaeger itself answers both with made-up data. The shapes are those that the UI reads (`TDdgPayload`, `TQualityMetrics`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devenv.backend.api.envelopes import legacy_failure
from devenv.backend.api.params import MICROSECOND, BadParameter, legacy_reader
from devenv.backend.query.deep_dependencies import Focus, PathStep, deep_dependencies
from devenv.backend.query.quality import Rule, Verdict, quality
from devenv.backend.store.store import Store
from devenv.http.server.message import HttpRequest, Parameters, Response
from devenv.http.server.router import Route
from devenv.http.server.turns import Turns
from devenv.traces.ids import show_trace_id
from devenv.traces.times import parse_integer

_HOUR = 3600 * 1_000_000_000
_MOST_HOURS = 24 * 3660
_SPECIFICATION = "https://opentelemetry.io/docs/specs/otel/trace/api/"
# Name, category, description, where the field is specified, and weight in the category.
_METRICS: dict[Rule, tuple[str, str, str, str, float]] = {
    "parent": ("Parents", "completeness", "The parent of each span is stored.", "#span", 1.0),
    "unique": ("Unique span IDs", "correctness", "No other span of the trace has the ID.", "#spancontext", 0.4),
    "kind": ("Span kinds", "correctness", "The kind of the span is set.", "#spankind", 0.3),
    "times": ("Times", "correctness", "The span does not end before it starts.", "#end", 0.3),
}
_SCORES = {"completeness": "Trace completeness", "correctness": "Span correctness"}


class AnalysisApi:
    """The handlers; ``now`` returns wall time in ns, ``turns`` is the loop's time."""

    def __init__(self, store: Store, now: Callable[[], int], turns: Turns) -> None:
        self._store = store
        self._now = now
        self._turns = turns

    def routes(self) -> list[Route]:
        """Return the paths: that of the UI and that of Jaeger for deep dependencies, and quality metrics."""
        return [
            Route("GET", "/analytics/v1/dependencies", self.deep_dependencies),
            Route("GET", "/api/deep-dependencies", self.deep_dependencies),
            Route("GET", "/api/quality-metrics", self.quality_metrics),
        ]

    async def deep_dependencies(self, request: HttpRequest) -> Response:
        """``?service=&operation=&start=&end=``, times in µs, 0 for no limit: the paths through a service."""
        try:
            focus = _focus(request.parameters())
        except ValueError as error:
            return legacy_failure(400, str(error))
        found = await self._turns.start().take(deep_dependencies(self._store, focus))
        return Response.json({"dependencies": [_path(step) for step in found]})

    async def quality_metrics(self, request: HttpRequest) -> Response:
        """``?service=&hours=``: how many spans of a service meet each rule, in its newest hours."""
        try:
            parameters = request.parameters()
            service = _service(parameters)
            hours = legacy_reader(parameters).read(_hours, 1, "hours")
        except ValueError as error:
            return legacy_failure(400, str(error))
        found = await self._turns.start().take(quality(self._store, service, self._now() - hours * _HOUR))
        return Response.json(_document(service, hours, found))


def _service(parameters: Parameters) -> str:
    service = parameters.first("service")
    if not service:
        raise BadParameter("parameter 'service' is required")
    return service


def _focus(parameters: Parameters) -> Focus:
    reader = legacy_reader(parameters)
    start, end = (reader.read(parse_integer, 0, name) * MICROSECOND for name in ("start", "end"))
    return Focus(_service(parameters), parameters.first("operation"), start, end)


def _hours(text: str) -> int:
    hours = parse_integer(text)
    if not 1 <= hours <= _MOST_HOURS:
        raise ValueError(f"found {hours}, expected 1 to {_MOST_HOURS}")
    return hours


def _path(step: PathStep) -> dict[str, Any]:
    return {
        "path": [{"service": service, "operation": operation} for service, operation in step.path()],
        "attributes": [{"key": "exemplar_trace_id", "value": show_trace_id(trace)} for trace in step.traces],
    }


def _document(service: str, hours: int, found: dict[Rule, Verdict]) -> dict[str, Any]:
    # A rule that no span was judged by has no share.
    judged = {rule: verdict for rule, verdict in found.items() if _judged(verdict)}
    document: dict[str, Any] = {
        "traceQualityDocumentationLink": _SPECIFICATION,
        "scores": [
            {"key": key, "label": label, "max": 100, "value": round(100 * share)}
            for key, label in _SCORES.items()
            if (share := _share(key, judged)) is not None
        ],
        "metrics": [_metric(rule, verdict) for rule, verdict in judged.items()],
    }
    if not judged:
        document["bannerText"] = f"No span of {service} that started in the last {hours} h is stored."
    return document


def _judged(verdict: Verdict) -> int:
    return verdict.counts.get("pass", 0) + verdict.counts.get("fail", 0)


def _share(category: str, judged: dict[Rule, Verdict]) -> float | None:
    parts = [
        (_METRICS[rule][4], verdict.counts.get("pass", 0) / _judged(verdict))
        for rule, verdict in judged.items()
        if _METRICS[rule][1] == category
    ]
    weights = sum(weight for weight, _ in parts)
    return sum(weight * share for weight, share in parts) / weights if parts else None


def _metric(rule: Rule, verdict: Verdict) -> dict[str, Any]:
    name, category, description, anchor, weight = _METRICS[rule]
    return {
        "name": name,
        "category": category,
        "description": description,
        "metricDocumentationLink": f"{_SPECIFICATION}{anchor}",
        "metricWeight": weight,
        **_outcome("pass", verdict.counts.get("pass", 0), verdict.examples.get("pass", [])),
        **_outcome("failure", verdict.counts.get("fail", 0), verdict.examples.get("fail", [])),
        **_outcome("exemption", verdict.counts.get("exempt", 0), verdict.examples.get("exempt", [])),
    }


def _outcome(word: str, count: int, examples: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    shown = [{"traceID": show_trace_id(trace_id), "spanIDs": [span_id.hex()]} for trace_id, span_id in examples]
    return {f"{word}Count": count, f"{word}Examples": shown}
