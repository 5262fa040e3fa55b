"""Spans as OTLP JSON; most of them are written from the columns of a table (see ``legacy_spans``)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from devenv.backend.query.clock_skew import Judged
from devenv.backend.query.span_warnings import V3_PARENT, span_warnings
from devenv.backend.store.decoding import ends, readable
from devenv.http.server.message import dumps
from devenv.model.span import Value
from devenv.otlp.attribute_cache import AttributeCache, key_value
from devenv.otlp.span_table import MARK, SpanTable
from devenv.otlp.values import otlp, plain, text

Document = dict[str, Any]

# After the attributes of a span; JSON text does not contain it.
_END = "\n"
_NO_PARENT = bytes(8)


class OtlpSpans:
    """Writes the spans of a table, one trace after the other; ``payloads`` are the same spans, encoded."""

    def __init__(self, table: SpanTable, payloads: Sequence[bytes]) -> None:
        self._payloads = payloads
        self._rare: Container[int] = range(len(payloads)) if table.dropped else table.rare
        self._position = 0
        attributes = ",".join(_attributes.column(table.attributes)).split(_END)[:-1]
        ids, names = map(bytes.hex, table.span_ids), map(_name, table.names)
        times = zip(table.starts, table.ends, strict=True)
        self._spans = zip(ids, table.parents, names, table.kinds, times, attributes, table.flags, strict=True)

    def write(self, judged: Judged, trace_id: str, count: int) -> str:
        """Return the next ``count`` spans of a trace with commas between them."""
        rare, position, known = self._rare, self._position, judged.known
        adjusted, skewed = judged.adjusted, {span_id.hex() for span_id in judged.skews}
        opening = f'{{"traceId":"{trace_id}","spanId":"'
        found = []
        for span_id, parent, name, kind, (start, end), attributes, flags in islice(self._spans, count):
            odd = adjusted and ((parent and parent not in known) or end <= start or span_id in skewed)
            if odd or position in rare:
                given = readable(self._payloads[position : position + 1])
                found += [span_json(judged, trace_id, span) for span in given]
            else:
                above = f'","parentSpanId":"{parent.hex()}' if parent and parent != _NO_PARENT else ""
                named = f',"name":{name}' if name != '""' else ""
                kinded = f',"kind":{kind}' if kind else ""
                own = f',"attributes":[{attributes.strip(",")}]' if len(attributes) > 2 else ""
                flagged = f',"flags":{flags}' if flags else ""
                found.append(
                    f'{opening}{span_id}{above}"{named}{kinded},"startTimeUnixNano":"{start}","endTimeUnixNano":"'
                    f'{end if end > start else start + 1}"{own}{flagged},"status":{{}}}}'
                )
            position += 1
        self._position = position
        return ",".join(found)


def span_json(judged: Judged, trace_id: str, span: Any) -> str:
    """Return any span, as ``messages.OpaqueSpan``, as JSON."""
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
    attributes = _attributes.values(span.attributes)
    warnings = span_warnings(judged, span, V3_PARENT) if judged.adjusted else []
    if warnings:  # Jaeger adds them as an attribute
        attributes.append(_json({"key": "@jaeger@warnings", "value": otlp(list[Value](warnings))}))
    if attributes:
        found += f',"attributes":[{",".join(attributes)}]'
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
    return f',"status":{_json(present({"message": text(status.message), "code": status.code}))}'


@lru_cache(maxsize=8192)
def _name(name: bytes) -> str:
    return quoted(text(name))


def _attribute(encoded: bytes) -> str:
    if encoded == MARK:
        return _END
    pair = key_value(encoded)
    return f'{{"key":{quoted(text(pair.key))},"value":{_json(otlp(plain(pair.value)))}}}'


_attributes = AttributeCache(_attribute)


def _plain_attributes(pairs: Any) -> list[Document]:
    return [{"key": text(pair.key), "value": otlp(plain(pair.value))} for pair in pairs]


def _event(event: Any) -> Document:
    return present(
        {
            "timeUnixNano": str(event.time),
            "name": text(event.name),
            "attributes": _plain_attributes(event.attributes),
            "droppedAttributesCount": event.dropped_attributes,
        }
    )


def _link(link: Any) -> Document:
    return present(
        {
            "traceId": link.trace_id.hex(),
            "spanId": link.span_id.hex(),
            "traceState": text(link.trace_state),
            "attributes": _plain_attributes(link.attributes),
            "droppedAttributesCount": link.dropped_attributes,
            "flags": link.flags,
        }
    )


def present(document: Document) -> Document:
    """Return a document without its empty values, which protobuf's JSON leaves out."""
    return {key: value for key, value in document.items() if value}


def _json(document: Any) -> str:
    return dumps(document).decode("ascii")
