"""Calls whose context was lost on the way: the called service began a new trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from devenv.analysis.checks.finding import TracingFinding
from devenv.analysis.checks.findings.headers import CAPTURE, Reason, of_headers, of_ids, truncated_forms
from devenv.analysis.checks.findings.matching import Interval, match_times
from devenv.analysis.checks.observed import SeenTrace, ServiceCall
from devenv.immutable import immutable
from devenv.model.counts import plural
from devenv.model.span import Span, SpanKind
from devenv.model.trace import OWN_SERVICE, REQUEST_KEY

KIND = "broken-propagation"

_PAIRS = 2
"""Examples of a call and of the trace that answers it."""


@immutable()
class Match:
    """A call, and the request of another trace (or below another parent) that answers it."""

    call: Span
    request: Span


@dataclass(slots=True)
class CallCounts:
    """The calls from one service to another.

    Attributes:
        total: all of them.
        unanswered: those without a span of the called service below them.
    """

    total: int = 0
    unanswered: list[ServiceCall] = field(default_factory=list)


class BrokenPropagation:
    """Compares unanswered calls with the requests that began a new trace, or lack their parent."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], CallCounts] = {}
        self._tops: dict[str, list[Span]] = {}

    def add(self, seen: SeenTrace, calls: Iterable[ServiceCall]) -> None:
        """Add one trace and its calls."""
        for call in calls:
            counts = self.calls.setdefault((call.span.service, call.called), CallCounts())
            counts.total += 1
            if not call.answered:
                counts.unanswered.append(call)
        self.add_requests(seen)

    def add_requests(self, seen: SeenTrace) -> None:
        """Add a trace that may answer calls of others."""
        for span in seen.tree.tops:
            if span.kind is SpanKind.SERVER and span.service != OWN_SERVICE:
                self._tops.setdefault(span.service, []).append(span)

    def matches(self) -> dict[tuple[str, str], list[Match]]:
        """The broken calls by caller and called service: by their IDs, else by request, else by their time."""
        by_called: dict[str, list[ServiceCall]] = {}
        for (_, called), counts in self.calls.items():
            by_called.setdefault(called, []).extend(counts.unanswered)
        found: dict[tuple[str, str], list[Match]] = {}
        for called, calls in by_called.items():
            for match in _match(calls, self._tops.get(called, [])):
                found.setdefault((match.call.service, called), []).append(match)
        return found

    def findings(
        self, matches: Mapping[tuple[str, str], list[Match]], propagators: Mapping[str, str]
    ) -> Iterator[TracingFinding]:
        """One finding for each caller and called service.

        Args:
            matches: as :meth:`matches` returns them.
            propagators: ``OTEL_PROPAGATORS`` of services that set it, by their names in traces.
        """
        for (caller, called), broken in sorted(matches.items()):
            yield _finding(caller, called, broken, self.calls[caller, called].total, propagators)


def _match(calls: list[ServiceCall], tops: list[Span]) -> Iterator[Match]:
    by_parent = {parent: call for call in calls for parent in (call.span.span_id, *truncated_forms(call.span.span_id))}
    taken: set[int] = set()
    left: list[Span] = []
    for top in tops:
        call = by_parent.get(top.parent_id) if top.parent_id else None
        if call is None or id(call) in taken or of_ids(call.span, top) is None:
            left.append(top)
        else:
            taken.add(id(call))
            yield Match(call.span, top)
    yield from _match_rest(
        [call for call in calls if id(call) not in taken], [top for top in left if not top.parent_id]
    )


def _match_rest(calls: list[ServiceCall], tops: list[Span]) -> Iterator[Match]:
    """Those of one request of devenv with each other, as far as its baggage travelled; all others by their time."""
    requests = {_request(top) for top in tops}
    groups: dict[str, tuple[list[ServiceCall], list[Span]]] = {}
    for call in calls:
        key = call.span.trace_id if call.span.trace_id in requests else ""
        groups.setdefault(key, ([], []))[0].append(call)
    for top in tops:
        request = _request(top)
        groups.setdefault(request if request in groups else "", ([], []))[1].append(top)
    for unanswered, began in groups.values():
        intervals = [Interval(call.span.start_ns, call.span.end_ns) for call in unanswered]
        for number, request_number in match_times(intervals, [top.start_ns for top in began]):
            yield Match(unanswered[number].span, began[request_number])


def _request(span: Span) -> str:
    found = span.attributes.get(REQUEST_KEY)
    return found if isinstance(found, str) else ""


def _finding(
    caller: str, called: str, broken: list[Match], total: int, propagators: Mapping[str, str]
) -> TracingFinding:
    reasons = Counter(
        reason for match in broken if (reason := of_headers(match.request, caller) or of_ids(match.call, match.request))
    )
    reason = max(reasons, key=lambda each: reasons[each]) if reasons else _configured(caller, called, propagators)
    roots = sum(match.request.parent_id is None for match in broken)
    shown = [
        f"{plural(roots, 'server span')} of {called} {'begins a new trace' if roots == 1 else 'begin new traces'}"
        if roots
        else f"{plural(len(broken), 'server span')} of {called} {'has' if len(broken) == 1 else 'have'} wrong IDs"
    ]
    if reason is not None:
        shown.append(reason.text)
    client = "its own client" if caller == OWN_SERVICE else caller
    advice = (
        reason.advice
        if reason is not None
        else f"send the headers of the current context with each call in {client}, and read them in {called}: an HTTP "
        f"client or server that is not instrumented, or a proxy, loses them; {CAPTURE} shows what arrives"
    )
    return TracingFinding(
        kind=KIND,
        severity="bad",
        service=called if caller == OWN_SERVICE else caller,
        others=(caller, called),
        title=f"Propagation broken between {caller} and {called}",
        count=len(broken),
        evidence=f"{len(broken):,} of {plural(total, 'call')}: {'; '.join(shown)}",
        advice=advice,
        examples=tuple(
            dict.fromkeys(one for match in broken[:_PAIRS] for one in (match.call.trace_id, match.request.trace_id))
        ),
    )


_DEFAULT = "tracecontext,baggage"


def _configured(caller: str, called: str, propagators: Mapping[str, str]) -> Reason | None:
    """What the settings of both show: no format in common."""
    sent, read = propagators.get(caller, _DEFAULT), propagators.get(called, _DEFAULT)
    if _formats(sent) & _formats(read):
        return None
    return Reason(
        "propagators",
        f"{caller} sends {sent} and {called} reads {read} (OTEL_PROPAGATORS)",
        f"set the same OTEL_PROPAGATORS for {caller} and {called}, such as {_DEFAULT}",
    )


def _formats(propagators: str) -> set[str]:
    return {name.strip().removesuffix("multi") for name in propagators.split(",")} - {"baggage", "none", ""}
