"""Traces in Jaeger's own JSON, the format of its legacy API and of its UI.

The mapping from OTLP is that of OpenTelemetry's Jaeger exporter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii as quoted

from devenv.backend.api.legacy_spans import (
    OwningTrace,
    SpanFrames,
    span_child,
    span_closing,
    span_json,
    span_opening,
    table_json,
)
from devenv.backend.api.legacy_tags import common_tags, tag
from devenv.backend.query.shared_span_ids import decoded
from devenv.backend.query.small_traces import Shape, SmallTraces, grouped, together
from devenv.backend.store.decoding import Snapshot, paused
from devenv.backend.store.scopes import Scope
from devenv.traces.ids import show_trace_id


def traces_json(found: Iterable[Snapshot], *, raw: bool) -> Iterator[Iterable[str]]:
    """Yield traces, one or several with commas between them, each in pieces; an empty piece is a pause.

    Args:
        found: the traces.
        raw: whether the spans are wanted as they were sent, without Jaeger's adjustments.
    """
    frames = _Frames()
    for group in grouped(found):
        several = together(group, adjusted=not raw)
        written = several and table_json(several, frames.of(several))
        if written:
            yield (written,)
        else:
            for taken in group:
                yield trace_json(taken, raw=raw)


def trace_json(taken: Snapshot, *, raw: bool) -> Iterator[str]:
    """Yield ``{traceID, spans, processes, warnings}`` in pieces; an empty one is a pause."""
    trace = yield from paused(decoded(taken, separate=not raw), "")
    processes = _Processes()
    owner = OwningTrace(trace.id, show_trace_id(trace.id), trace.judged)
    opening = _opening(owner.shown)
    for scope, parts in trace.chunks:
        process = processes.name(scope)
        for spans in parts:
            if spans:
                yield opening + ",".join([span_json(owner, scope, span, process) for span in spans])
                opening = ","
    if opening != ",":
        yield opening
    yield processes.closing(truncated=trace.truncated)


def _opening(shown: str) -> str:
    return f'{{"traceID":"{shown}","spans":['


class _Frames:
    """What is around the spans of small traces; the processes of a shape are written once for all its traces."""

    def __init__(self) -> None:
        self._known: dict[Shape, _Learnt] = {}

    def of(self, several: SmallTraces) -> SpanFrames:
        """Return the frames of traces that share a table."""
        frames = SpanFrames([], [], [], [], [], [])
        between = ""
        for taken, shape in zip(several.taken, several.shapes, strict=True):
            scopes, commons, names, closings, processes = self._known.get(shape) or self._learn(shape)
            shown = show_trace_id(taken.id)
            opening = span_opening(shown)
            frames.openings.append(between + _opening(shown) + opening)
            frames.openings.extend(["," + opening] * (len(names) - 1))
            frames.children.extend([span_child(shown)] * len(names))
            frames.scopes.extend(scopes)
            frames.commons.extend(commons)
            frames.processes.extend(names)
            frames.closings.extend(closings)
            frames.closings[-1] += processes.closing(truncated=taken.truncated)
            between = ","
        return frames

    def _learn(self, shape: Shape) -> _Learnt:
        processes = _Processes()
        scopes = [scope for scope, count in shape for _ in range(count)]
        names = list(map(processes.name, scopes))
        found = self._known[shape] = (
            scopes,
            list(map(common_tags, scopes)),
            names,
            list(map(span_closing, names)),
            processes,
        )
        return found


class _Processes:
    """The resources of a trace, numbered in order of appearance."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self._written: list[str] = []

    def name(self, scope: Scope) -> str:
        """Return the name by which spans of this scope refer to their resource."""
        key = scope.key[0]
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"p{len(self._names) + 1}"
            written = scope.written.get("process")
            if written is None:
                written = scope.written["process"] = _process(scope)
            self._written.append(f'"{name}":{written}')
        return name

    def closing(self, *, truncated: bool) -> str:
        """Return what follows the spans of a trace; ``truncated`` if some were rejected."""
        warnings = '["spans were rejected: the trace exceeds the size limit of the backend"]' if truncated else "null"
        return f'],"processes":{{{",".join(self._written)}}},"warnings":{warnings}}}'


def _process(scope: Scope) -> str:
    tags = [tag(key, value) for key, value in sorted(scope.resource.items()) if key != "service.name"]
    return f'{{"serviceName":{quoted(scope.service.name)},"tags":[{",".join(tags)}]}}'


_Learnt = tuple[list[Scope], list[list[list[str]]], list[str], list[str], _Processes]
