"""Traces in Jaeger's own JSON, the format of its legacy API and of its UI.

The mapping from OTLP is that of OpenTelemetry's Jaeger exporter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii as quoted

from devenv.backend.api.legacy_spans import LegacySpans, OwningTrace, span_json
from devenv.backend.api.legacy_tags import tag
from devenv.backend.query.shared_span_ids import decoded
from devenv.backend.query.small_traces import SmallTrace, SmallTraces, grouped, together
from devenv.backend.store.decoding import Snapshot, paused
from devenv.backend.store.scopes import Scope
from devenv.traces.ids import show_trace_id


def traces_json(found: Iterable[Snapshot], *, raw: bool) -> Iterator[Iterable[str]]:
    """Yield traces, one or several with commas between them, each in pieces; an empty piece is a pause.

    Args:
        found: the traces.
        raw: whether the spans are wanted as they were sent, without Jaeger's adjustments.
    """
    for group in grouped(found):
        several = together(group, adjusted=not raw)
        if several is not None:
            yield (_together(several, raw=raw),)
        else:
            for taken in group:
                yield trace_json(taken, raw=raw)


def trace_json(taken: Snapshot, *, raw: bool) -> Iterator[str]:
    """Yield ``{traceID, spans, processes, warnings}`` in pieces; an empty one is a pause."""
    trace = yield from paused(decoded(taken, separate=not raw), "")
    processes = _Processes()
    owner = OwningTrace(trace.id, show_trace_id(trace.id), trace.judged)
    opening = _opening(owner)
    for scope, parts in trace.chunks:
        process = processes.name(scope)
        for spans in parts:
            if spans:
                yield opening + ",".join([span_json(owner, scope, span, process) for span in spans])
                opening = ","
    if opening != ",":
        yield opening
    yield processes.closing(truncated=trace.truncated)


def _together(several: SmallTraces, *, raw: bool) -> str:
    writer = LegacySpans(several.table, several.payloads)
    return ",".join([_small(trace, writer, raw=raw) for trace in several.traces])


def _small(trace: SmallTrace, writer: LegacySpans, *, raw: bool) -> str:
    taken = trace.taken
    processes = _Processes()
    owner = OwningTrace(taken.id, show_trace_id(taken.id), trace.judged)
    spans = writer.write(owner, [(scope, processes.name(scope), count) for scope, count in trace.parts])
    if spans is None or not trace.plain:
        return "".join(trace_json(taken, raw=raw))
    return f"{_opening(owner)}{spans}{processes.closing(truncated=taken.truncated)}"


def _opening(owner: OwningTrace) -> str:
    return f'{{"traceID":"{owner.shown}","spans":['


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
