"""Self time: a span's duration minus the time in which its children ran."""

from __future__ import annotations

from collections.abc import Iterable

from devenv.model.span import Span


def self_time(span: Span, children: Iterable[Span]) -> int:
    """Nanoseconds of a span in which none of its children ran.

    Children that overlap count once, and only as far as they are within the span: work that continues after its end,
    such as a queue consumer's, is not subtracted. :func:`outliving` counts such children.

    Args:
        span: a span; its self time is 0 if its end is before its start.
        children: of the span, in order of start.
    """
    covered, reached = 0, span.start_ns
    for child in children:
        start, end = max(child.start_ns, reached), min(child.end_ns, span.end_ns)
        if start < end:
            covered += end - start
            reached = end
    return span.duration_ns - covered


def outliving(span: Span, children: Iterable[Span]) -> int:
    """How many of the children end after the span."""
    return sum(child.end_ns > span.end_ns for child in children)
