"""A stored trace as OTLP JSON.

The text is built directly, as in :mod:`devenv.backend.api.legacy_json`: attributes that were written once are looked up
by their encoded bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from devenv.backend.query.shared_span_ids import decoded
from devenv.backend.store.decoding import Snapshot, ends, paused
from devenv.backend.store.scopes import Scope
from devenv.http.server.message import dumps
from devenv.otlp import messages
from devenv.otlp.attribute_cache import AttributeCache
from devenv.otlp.values import otlp, otlp_attributes, plain, text

Document = dict[str, Any]


def resource_spans(taken: Snapshot, *, raw: bool) -> Iterator[str]:
    """Yield ``ResourceSpans`` documents with commas between them, one per resource, with its scopes grouped.

    An empty piece is a pause.

    Args:
        taken: the trace.
        raw: whether the spans are wanted as they were sent, without Jaeger's adjustments.
    """
    trace = yield from paused(decoded(taken, separate=not raw), "")
    trace_id = trace.id.hex()
    resources: dict[tuple[bytes, bytes], dict[int, tuple[Scope, list[Iterable[list[Any]]]]]] = {}
    for scope, parts in trace.chunks:
        scopes = resources.setdefault(scope.key[:2], {})
        scopes.setdefault(scope.number, (scope, []))[1].append(parts)
    between = ""
    for scopes in resources.values():
        first, _ = next(iter(scopes.values()))
        yield between + _resource(first)
        between = ""
        for scope, chunks in scopes.values():
            yield between + _scope(scope)
            comma = ""
            for spans in chain(*chunks):
                if spans:
                    yield comma + ",".join([_span(trace_id, span) for span in spans])
                    comma = ","
            yield f"]{_url(scope.urls[1])}}}"
            between = ","
        yield f"]{_url(first.urls[0])}}}"


def _resource(scope: Scope) -> str:
    written = scope.written.get("resource")
    if written is None:
        written = scope.written["resource"] = _written_resource(scope)
    return written


def _written_resource(scope: Scope) -> str:
    attributes = _json([{"key": key, "value": otlp(value)} for key, value in scope.resource.items()])
    return f'{{"resource":{{"attributes":{attributes}}},"scopeSpans":['


def _scope(scope: Scope) -> str:
    written = scope.written.get("scope")
    if written is None:
        written = scope.written["scope"] = _written_scope(scope)
    return written


def _written_scope(scope: Scope) -> str:
    about: Document = {"name": scope.name, "version": scope.version, "attributes": otlp_attributes(scope.attributes)}
    return f'{{"scope":{_json(_present(about))},"spans":['


def _url(url: str) -> str:
    return f',"schemaUrl":{quoted(url)}' if url else ""


def _span(trace_id: str, span: Any) -> str:
    found = f'{{"traceId":"{trace_id}","spanId":"{span.span_id.hex()}"'
    parent = span.parent_span_id
    if any(parent):
        found += f',"parentSpanId":"{parent.hex()}"'
    if span.trace_state:
        found += f',"traceState":{quoted(text(span.trace_state))}'
    if span.name:
        found += f',"name":{_name(span.name)}'
    if span.kind:
        found += f',"kind":{span.kind}'
    found += f',"startTimeUnixNano":"{span.start}","endTimeUnixNano":"{ends(span)}"'
    attributes = span.attributes
    if attributes:
        found += f',"attributes":[{",".join(_encoded_attributes.values(attributes))}]'
    return f"{found}{_rarely(span)}{_status(span)}}}"


def _rarely(span: Any) -> str:
    # What few spans have.
    found = ""
    if span.dropped_attributes:
        found += f',"droppedAttributesCount":{span.dropped_attributes}'
    if span.events:
        found += f',"events":{_json([_event(event) for event in span.events])}'
    if span.dropped_events:
        found += f',"droppedEventsCount":{span.dropped_events}'
    if span.links:
        found += f',"links":{_json([_link(link) for link in span.links])}'
    if span.dropped_links:
        found += f',"droppedLinksCount":{span.dropped_links}'
    if span.flags:
        found += f',"flags":{span.flags}'
    return found


def _status(span: Any) -> str:
    if not span.HasField("status"):
        return ',"status":{}'
    status = span.status
    return f',"status":{_json(_present({"message": text(status.message), "code": status.code}))}'


@lru_cache(maxsize=8192)
def _name(name: bytes) -> str:
    return quoted(text(name))


def _attribute(encoded: bytes) -> str:
    pair = messages.KeyValue.FromString(encoded)
    return f'{{"key":{quoted(text(pair.key))},"value":{_json(otlp(plain(pair.value)))}}}'


_encoded_attributes = AttributeCache(_attribute)


def _attributes(pairs: Any) -> list[Document]:
    return [{"key": text(pair.key), "value": otlp(plain(pair.value))} for pair in pairs]


def _event(event: Any) -> Document:
    return _present(
        {
            "timeUnixNano": str(event.time),
            "name": text(event.name),
            "attributes": _attributes(event.attributes),
            "droppedAttributesCount": event.dropped_attributes,
        }
    )


def _link(link: Any) -> Document:
    return _present(
        {
            "traceId": link.trace_id.hex(),
            "spanId": link.span_id.hex(),
            "traceState": text(link.trace_state),
            "attributes": _attributes(link.attributes),
            "droppedAttributesCount": link.dropped_attributes,
            "flags": link.flags,
        }
    )


def _present(document: Document) -> Document:
    return {key: value for key, value in document.items() if value}


def _json(document: Any) -> str:
    return dumps(document).decode("ascii")
