"""What Jaeger remarks on a span, in its words.

Its receiver remarks on times, its query service on the parent and on clocks. The two dialects of Jaeger 2.13 word a
missing parent differently.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from devenv.backend.query.clock_skew import Judged
from devenv.backend.store.decoding import ends
from devenv.traces.ids import show_span_id
from devenv.traces.times import show_duration

LEGACY_PARENT = "invalid parent span IDs={}; skipping clock skew adjustment"
V3_PARENT = "parent span ID={} is not in the trace; skipping clock skew adjustment"
_NEGATIVE = "Negative duration detected, sanitizing end timestamp. Original end timestamp: {}, adjusted to: {}"
_SKEW = "clock skew adjustment disabled; not applying calculated delta of {}"


def span_warnings(trace: Judged, span: Any, missing_parent: str) -> list[str]:
    """Return the warnings of a span; ``missing_parent`` is the dialect's wording."""
    found = []
    if span.end <= span.start:
        found.append(_NEGATIVE.format(_time(span.end), _time(ends(span))))
    if trace.adjusted:
        parent = span.parent_span_id
        if parent not in trace.known and any(parent):
            found.append(missing_parent.format(show_span_id(parent)))
        if skew := trace.skews.get(span.span_id):
            found.append(_SKEW.format(show_duration(skew)))
    return found


def _time(nanoseconds: int) -> str:
    # As Go prints a time.
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}{digits} +0000 UTC"
