"""Clocks that differ: spans that begin before their parent or after its end, or end before they begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from devenv.analysis.checks.finding import TracingFinding
from devenv.analysis.checks.observed import Affected, SeenTrace
from devenv.model.counts import plural
from devenv.model.span import NS_PER_MS, Span, SpanKind

KIND = "clock-skew"

SKEW_NS = 10_000_000
"""Clocks that are kept by NTP differ by less, and so do the clocks of SDKs, some of which have 1 ms."""


@dataclass(slots=True)
class _Skew:
    spans: int = 0
    largest_ns: int = 0
    affected: Affected = field(default_factory=Affected)

    def add(self, trace_id: str, skew_ns: int) -> None:
        self.spans += 1
        self.largest_ns = max(self.largest_ns, skew_ns, key=abs)
        self.affected.add(trace_id)


class Clocks:
    """The clocks of services against those of their callers."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], _Skew] = {}
        self._reversed: dict[str, _Skew] = {}

    def add(self, seen: SeenTrace) -> None:
        """Add one trace."""
        parent_of = seen.tree.parent
        for service, spans in seen.by_service.items():
            for span in spans:
                if span.end_ns < span.start_ns or not span.start_ns:
                    self._reversed.setdefault(service, _Skew()).add(seen.trace_id, span.start_ns - span.end_ns)
                parent = parent_of(span)
                if parent is not None and parent.service != service and (skew := _skew(parent, span)):
                    self._pairs.setdefault((parent.service, service), _Skew()).add(seen.trace_id, skew)

    def findings(self) -> Iterator[TracingFinding]:
        """One finding for each pair of services, and one for each service with spans that end before they begin."""
        for (caller, called), skew in sorted(self._pairs.items()):
            ahead = "ahead of" if skew.largest_ns > 0 else "behind"
            when = "begin after their parent ended" if skew.largest_ns > 0 else "begin before their parent"
            yield TracingFinding(
                kind=KIND,
                severity="warn",
                service=called,
                others=(caller,),
                title=f"The clock of {called} is {ahead} that of {caller}",
                count=skew.spans,
                evidence=f"{plural(skew.spans, 'span')} {when}, by up to {abs(skew.largest_ns) / NS_PER_MS:,.0f} ms",
                advice=f"synchronise the clocks of the machines of {caller} and {called} (NTP); durations within each "
                "service are right",
                examples=tuple(skew.affected.examples),
            )
        for service, skew in sorted(self._reversed.items()):
            yield TracingFinding(
                kind=KIND,
                severity="warn",
                service=service,
                title=f"Spans of {service} have wrong times",
                count=skew.spans,
                evidence=f"{plural(skew.spans, 'span')} without a start, or that end before they begin",
                advice=f"take both times of a span from one clock in {service}, in nanoseconds since the epoch",
                examples=tuple(skew.affected.examples),
            )


def _skew(parent: Span, span: Span) -> int:
    """How far a span's clock is ahead of its parent's, as far as it shows; negative if it is behind, 0 if it fits.

    A request that begins after the end of its call is skewed only if the call was not given up.
    """
    if (early := parent.start_ns - span.start_ns) > SKEW_NS:
        return -early
    is_call = parent.kind is SpanKind.CLIENT and span.kind is SpanKind.SERVER and not parent.is_error
    late = span.start_ns - parent.end_ns
    return late if is_call and late > SKEW_NS else 0
