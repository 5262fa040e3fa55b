"""`traceparent` by W3C Trace Context Level 2 (https://www.w3.org/TR/trace-context-2/#traceparent-header)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.span import TraceState

from devenv.tracing.context.tracestate import parse as parse_state

KNOWN_FLAGS = 0x03  # sampled, random-trace-id
_pattern = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL).fullmatch
_NO_TRACE = "0" * 32
_NO_PARENT = "0" * 16

_FLAGS = {f"{bits:02x}": bits & KNOWN_FLAGS for bits in range(256)}

FLAG_BITS = {text.encode(): bits for text, bits in _FLAGS.items()}
"""The known flags of a field of two hexadecimal digits."""

is_version_00 = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
"""Returns a match if a field as received is a valid `traceparent` of version 00, else None."""

Parent = tuple[str, str, int]
"""Trace id as 32 and parent id as 16 hexadecimal digits, flags."""


def parse(header: str) -> Parent | None:
    """Read one `traceparent`; None if it is invalid and a new trace begins.

    Version ff is forbidden; version 00 ends after the flags; the known fields of higher versions are read.
    Flags that Level 2 does not define are cleared.
    """
    match = _pattern(header.strip(" \t"))
    if match is None:
        return None
    version, trace_id, parent_id, flags, rest = match.groups()
    if trace_id == _NO_TRACE or parent_id == _NO_PARENT or version == "ff" or (rest and version == "00"):
        return None
    return trace_id, parent_id, _FLAGS[flags]


def remote_context(parents: Sequence[str], states: Sequence[str]) -> SpanContext | None:
    """Return the context in the headers; None if a new trace begins.

    Args:
        parents: Every `traceparent` field: a parent needs exactly one.
        states: Every `tracestate` field, combined in order; ignored without a parent.
    """
    if len(parents) != 1:
        return None
    parent = parse(parents[0])
    if parent is None:
        return None
    trace_id, parent_id, flags = parent
    state: TraceState | None = parse_state(states) if states else None
    return SpanContext(int(trace_id, 16), int(parent_id, 16), True, TraceFlags(flags), state)
