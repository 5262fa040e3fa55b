"""What is wrong with the context that a request carried, as far as its span tells."""

from __future__ import annotations

import re

from devenv.immutable import immutable
from devenv.model.span import Span, Value

CAPTURE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=traceparent,b3,x-b3-traceid"
"""The setting with which a service records these headers."""

_HEADER = "http.request.header."
_W3C = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII)
_B3 = ("b3", "x-b3-traceid")
_LONG, _SHORT = 32, 16


@immutable()
class Reason:
    """Why the context was not continued: a short name, what shows it, and what to change."""

    name: str
    text: str
    advice: str


def of_headers(span: Span, caller: str) -> Reason | None:
    """What the captured headers of a request's span show; ``None`` if there are none, or if they are right."""
    parents = _values(span, "traceparent")
    if len(parents) > 1:
        return Reason(
            "twice",
            f"{len(parents)} traceparent headers arrived, so none counts",
            f"let only one library or proxy on the way from {caller} add `traceparent`",
        )
    if not parents and any(_values(span, name) for name in _B3):
        return Reason(
            "b3",
            "only B3 headers arrived, no traceparent",
            f"set OTEL_PROPAGATORS=tracecontext,baggage,b3 for {caller} or {span.service}",
        )
    if parents and not _W3C.fullmatch(parents[0].strip()):
        parts = parents[0].strip().split("-")
        short = len(parts) >= 3 and (len(parts[1]) < _LONG or len(parts[2]) < _SHORT)
        what = "truncated" if short else "not valid"
        return Reason(
            "truncated" if short else "invalid",
            f"the traceparent that arrived is {what}",
            f"send a trace ID of 32 and a span ID of 16 hex digits from {caller}",
        )
    return None


def of_ids(caller: Span, called: Span) -> Reason | None:
    """What the IDs of a call and of the request that answers it show: parts of the caller's IDs."""
    if called.trace_id != caller.trace_id and called.trace_id in truncated_forms(caller.trace_id):
        return Reason(
            "truncated",
            "its trace IDs are those of the caller with only 64 bits",
            f"send and accept trace IDs of 128 bits in {caller.service} and {called.service}",
        )
    if called.parent_id and called.parent_id in truncated_forms(caller.span_id):
        return Reason(
            "truncated",
            "its parent IDs are parts of the caller's span IDs",
            f"send and accept span IDs of 64 bits in {caller.service} and {called.service}",
        )
    if called.trace_id != caller.trace_id and called.parent_id == caller.span_id:
        return Reason(
            "trace ID",
            "its parent IDs are those of the caller's spans, its trace IDs are not",
            f"send the caller's trace ID unchanged in {caller.service}",
        )
    return None


def truncated_forms(whole: str) -> tuple[str, ...]:
    """What an ID becomes if half of it is lost: either half, with zeros on either side."""
    half = len(whole) // 2
    zeros = "0" * half
    forms = (form for part in (whole[:half], whole[half:]) for form in (part + zeros, zeros + part))
    return tuple(form for form in forms if form != whole and form.strip("0"))


def _values(span: Span, header: str) -> list[str]:
    """The captured values of a request header; values that a library joined with a comma are several."""
    found: Value = span.attributes.get(_HEADER + header)
    if found is None:
        found = span.attributes.get(_HEADER + header.replace("-", "_"))
    values = found if isinstance(found, list) else [found]
    return [part.strip() for value in values if isinstance(value, str) for part in value.split(",") if part.strip()]
