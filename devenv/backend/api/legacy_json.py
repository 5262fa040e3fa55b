"""Traces in Jaeger's own JSON, the format of its legacy API and of its UI.

The mapping from OTLP is that of OpenTelemetry's Jaeger exporter: kind, status, scope and trace state become tags,
the parent and the links become references, events become logs.

The text is built directly: a search returns thousands of spans whose attributes repeat, so an attribute that was
written as JSON once is looked up by its encoded bytes the next time (a tenth of the time of building and serializing
dictionaries).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from devenv.backend.query.shared_span_ids import DecodedTrace, decoded
from devenv.backend.store.decoding import ERROR, KINDS, Snapshot, paused
from devenv.backend.store.scopes import Scope
from devenv.otlp import messages
from devenv.otlp.attribute_cache import AttributeCache
from devenv.otlp.values import as_json_number, plain, text
from devenv.traces.ids import show_span_id, show_trace_id
from devenv.traces.jaeger_text import as_text

_SAFE_INTEGER = 2**53 - 1
_OK = 1

Tag = tuple[str, str]  # key and JSON, which sort together by key


def trace_json(taken: Snapshot, *, raw: bool) -> Iterator[str]:
    """Yield ``{traceID, spans, processes, warnings}`` in pieces; an empty one is a pause.

    Args:
        taken: the trace.
        raw: whether the spans are wanted as they were sent, without Jaeger's adjustments.
    """
    trace = yield from paused(decoded(taken, separate=not raw), "")
    processes: dict[bytes, str] = {}
    documents = []
    trace_id = show_trace_id(trace.id)
    opening = f'{{"traceID":"{trace_id}","spans":['
    for scope, parts in trace.chunks:
        process = processes.get(scope.resource_key)
        if process is None:
            process = processes[scope.resource_key] = f"p{len(processes) + 1}"
            documents.append(f'"{process}":{_process(scope)}')
        own = _scope_tags(scope.name, scope.version)
        for spans in parts:
            if spans:
                texts = [_span(trace, trace_id, own, span, process) for span in spans]
                yield opening + ",".join(texts)
                opening = ","
    if opening != ",":
        yield opening
    warnings = '["spans were rejected: the trace exceeds the size limit of the backend"]' if trace.truncated else "null"
    yield f'],"processes":{{{",".join(documents)}}},"warnings":{warnings}}}'


@lru_cache(maxsize=64)
def _process(scope: Scope) -> str:
    tags = [_tag(key, value)[1] for key, value in sorted(scope.resource.items()) if key != "service.name"]
    return f'{{"serviceName":{quoted(scope.service.name)},"tags":[{",".join(tags)}]}}'


def _span(trace: DecodedTrace, trace_id: str, own: list[Tag], span: Any, process: str) -> str:
    # ``own`` are the tags of the scope. The commonest span has no links, events or warnings.
    tags = _attributes.values(span.attributes)
    tags += own
    kind = span.kind
    if 0 < kind < len(KINDS):
        tags.append(_KINDS[kind])
    if span.HasField("status"):
        tags += _status(span.status)
    if span.trace_state:
        tags.append(_tag("w3c.tracestate", text(span.trace_state)))
    tags.sort()
    start, end, parent, links, events = span.start, span.end, span.parent_span_id, span.links, span.events
    child = any(parent)
    references = _reference("CHILD_OF", trace_id, parent) if child else ""
    if links:
        references = _references(trace_id, trace.id, links, parent)
    warnings = "null"
    if end < start or (child and parent not in trace.known):
        warnings = _warnings(start, end, parent, trace.known)
    return (
        f'{{"traceID":"{trace_id}","spanID":"{span.span_id.hex()}","operationName":{_name(span.name)},'
        f'"references":[{references}],"startTime":{start // 1000},'
        f'"duration":{(end - start) // 1000 if end > start else 0},"tags":[{",".join([tag[1] for tag in tags])}],'
        f'"logs":[{",".join(map(_log, events)) if events else ""}],"processID":"{process}","warnings":{warnings}}}'
    )


@lru_cache(maxsize=8192)
def _name(encoded: bytes) -> str:
    return quoted(text(encoded))


def _attribute(encoded: bytes) -> Tag:
    pair = messages.KeyValue.FromString(encoded)
    return _tag(text(pair.key), plain(pair.value))


_attributes = AttributeCache(_attribute)


def _tag(key: str, value: Any) -> Tag:
    kind, shown = _typed(value)
    return key, f'{{"key":{quoted(key)},"type":"{kind}","value":{shown}}}'


def _typed(value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        return "string", quoted(value)
    if isinstance(value, bool):
        return "bool", "true" if value else "false"
    if isinstance(value, int):
        # A browser would round a number above 2^53.
        return "int64", str(value) if abs(value) <= _SAFE_INTEGER else f'"{value}"'
    if isinstance(value, float):
        finite = value - value == 0
        return "float64", json.dumps(value) if finite else f'"{as_json_number(value)}"'
    if isinstance(value, bytes):
        return "binary", f'"{base64.b64encode(value).decode("ascii")}"'
    return "string", quoted(as_text(value))


_KINDS = [_tag("span.kind", kind) for kind in KINDS]
_CODES = {code: _tag("otel.status_code", shown) for code, shown in ((_OK, "OK"), (ERROR, "ERROR"))}
_FAILED = _tag("error", True)


@lru_cache(maxsize=1024)
def _scope_tags(name: str, version: str) -> list[Tag]:
    given = (("otel.scope.name", name), ("otel.scope.version", version))
    return [_tag(key, value) for key, value in given if value]


def _status(status: Any) -> list[Tag]:
    tags = [_CODES[status.code]] if status.code in _CODES else []
    if status.code == ERROR:
        tags.append(_FAILED)
    if status.message:
        tags.append(_tag("otel.status_description", text(status.message)))
    return tags


def _references(trace_id: str, raw_id: bytes, links: Any, parent: bytes) -> str:
    references = []
    if any(parent):
        references.append(_reference("CHILD_OF", trace_id, parent))
    for link in links:
        if not any(link.trace_id):
            continue
        kind = "FOLLOWS_FROM"
        for pair in link.attributes:
            if pair.key == b"opentracing.ref_type" and plain(pair.value) == "child_of":
                kind = "CHILD_OF"
        if references and link.trace_id == raw_id and link.span_id == parent:
            references[0] = _reference(kind, trace_id, parent)
        else:
            references.append(_reference(kind, show_trace_id(link.trace_id), link.span_id))
    return ",".join(references)


def _reference(kind: str, trace_id: str, span_id: bytes) -> str:
    return f'{{"refType":"{kind}","traceID":"{trace_id}","spanID":"{span_id.hex():0>16}"}}'


def _log(event: Any) -> str:
    fields = sorted(((text(pair.key), plain(pair.value)) for pair in event.attributes), key=lambda field: field[0])
    named = [field for field in fields if field[0] == "event" and isinstance(field[1], str)][:1]
    if named:
        fields.remove(named[0])
    elif event.name and all(key != "event" for key, _ in fields):
        named = [("event", text(event.name))]
    shown = ",".join(_tag(*field)[1] for field in (*named, *fields))
    return f'{{"timestamp":{event.time // 1000},"fields":[{shown}]}}'


def _warnings(start: int, end: int, parent: bytes, known: frozenset[bytes]) -> str:
    warnings = []
    if end < start:
        warnings.append("Negative duration detected, sanitizing end timestamp.")
    if parent not in known and any(parent):
        warnings.append(f"invalid parent span IDs={show_span_id(parent)}; skipping clock skew adjustment")
    return json.dumps(warnings) if warnings else "null"
