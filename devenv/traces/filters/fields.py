"""The built-in fields, by level, with the kind of value that each holds."""

from __future__ import annotations

from collections.abc import Mapping

Kind = str
"""``text``, ``id``, ``duration``, ``time``, ``number``, ``kind`` or ``status``."""

SPAN_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""By number in OTLP."""

STATUSES = ("unset", "ok", "error")
"""By number in OTLP."""

WORDS: Mapping[Kind, tuple[str, ...]] = {"kind": SPAN_KINDS, "status": STATUSES}
"""Kinds of value that are one of a few words, which have no order."""

_SPAN = {
    "traceID": "id",
    "spanID": "id",
    "parentSpanID": "id",
    "traceState": "text",
    "name": "text",
    "kind": "kind",
    "startTime": "time",
    "endTime": "time",
    "status": "status",
    "statusMessage": "text",
    "duration": "duration",
}
FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "span": _SPAN,
    "resource": {"service": "text", "schemaURL": "text"},
    "scope": {"name": "text", "version": "text", "schemaURL": "text"},
    "event": {"name": "text", "time": "time", "timeSinceStart": "duration"},
    "link": {"traceID": "id", "spanID": "id", "traceState": "text"},
    # devenv's own: of the whole trace, and of its root span.
    "trace": {"duration": "duration", "spans": "number", "errors": "number", "service": "text"},
    "root": {**_SPAN, "service": "text"},
}

ALIASES: Mapping[str, tuple[str, str]] = {
    "service": ("resource", "service"),
    "operation": ("span", "name"),
    "name": ("span", "name"),
    "duration": ("span", "duration"),
    "status": ("span", "status"),
    "kind": ("span", "kind"),
}
"""The fields that the text form has without a level."""

NOT_TEXT = frozenset({"duration", "time", "number"})
"""Kinds of value that no pattern matches."""
