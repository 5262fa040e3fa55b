"""What a store holds of a trace, decoded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from devenv.backend.api.legacy_json import trace_json
from devenv.backend.api.otlp_document import resource_spans
from devenv.backend.query.summaries import summarized
from devenv.backend.store.decoding import encoded, one_by_one, snapshot
from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope, Scopes
from devenv.model.trace import TraceSummary


@dataclass
class Decoded:
    id: bytes
    spans: list[tuple[Scope, Any]]


def result(steps: Any) -> Any:
    """What steps return, without pauses."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def decode_trace(trace: StoredTrace, scopes: Scopes) -> Decoded:
    found = result(encoded(snapshot(trace, scopes)))
    return Decoded(trace.id, [(scope, span) for scope, some in found.chunks for span in one_by_one(some)])


def as_legacy(trace: StoredTrace, scopes: Scopes) -> Any:
    return json.loads("".join(trace_json(snapshot(trace, scopes), raw=False)))


def as_otlp(trace: StoredTrace, scopes: Scopes, *, raw: bool = True) -> Any:
    """Its ResourceSpans."""
    return json.loads(f"[{''.join(resource_spans(snapshot(trace, scopes), raw=raw))}]")


def summary(trace: StoredTrace, scopes: Scopes) -> TraceSummary:
    found: TraceSummary = result(summarized(snapshot(trace, scopes)))
    return found
