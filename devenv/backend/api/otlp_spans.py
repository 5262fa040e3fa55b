"""Spans as OTLP JSON; most of them are written from the columns of a table (see ``legacy_spans``)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import repeat
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from devenv.backend.query.clock_skew import Judged
from devenv.backend.query.small_traces import SmallTraces
from devenv.backend.query.span_warnings import V3_PARENT, span_warnings
from devenv.backend.store.decoding import ends, readable
from devenv.http.server.message import dumps
from devenv.immutable import immutable
from devenv.model.span import Value
from devenv.otlp.attribute_cache import AttributeCache, key_value, short_text
from devenv.otlp.span_table import MARK
from devenv.otlp.values import otlp, plain, text

Document = dict[str, Any]

# After the attributes of a span; JSON text does not contain it.
_END = "\n"
_NO_PARENT = bytes(8)


@immutable()
class Layout:
    """What is around the spans of a trace: in OTLP, they are put by resource.

    Attributes:
        spans: which span of the trace comes next, and what precedes it.
        closing: what follows the last one.
    """

    spans: list[tuple[int, str]]
    closing: str


def table_json(several: SmallTraces, layouts: Iterable[Layout]) -> str | None:
    """Return small traces as JSON, column by column; ``None`` if one of their spans is not readable.

    Args:
        several: the traces.
        layouts: of each trace.
    """
    table = several.table
    shown = [taken.id.hex() for taken in several.taken]
    own = ",".join(_attributes.column(table.attributes)).split(_END)[:-1]
    columns = zip(
        [f'{{"traceId":"{shown[owner]}","spanId":"' for owner in several.owners],
        map(bytes.hex, table.span_ids),
        [f'","parentSpanId":"{each.hex()}"' if each and each != _NO_PARENT else '"' for each in table.parents],
        map(_named, table.names),
        map(_kinded, table.kinds),
        map(str, table.starts),
        repeat('","endTimeUnixNano":"'),
        map(str, table.ends),
        [f'","attributes":[{each.strip(",")}]' if len(each) > 2 else '"' for each in own],
        map(_flagged, table.flags),
        repeat(',"status":{}}'),
        strict=False,
    )
    rows: list[tuple[str, ...]] = list(columns)
    for at in range(len(rows)) if table.dropped else several.unusual | table.rare:
        span = next(iter(readable(several.payloads[at : at + 1])), None)
        if span is None:
            return None
        rows[at] = (span_json(several.judged(at), shown[several.owners[at]], span),)
    found: list[str] = []
    first = 0
    between = ""
    for layout in layouts:
        found.append(between)
        for at, before in layout.spans:
            found.append(before)
            found += rows[first + at]
        found.append(layout.closing)
        first += len(layout.spans)
        between = ","
    return "".join(found)


def span_json(judged: Judged, trace_id: str, span: Any) -> str:
    """Return any span, as ``messages.OpaqueSpan``, as JSON."""
    found = f'{{"traceId":"{trace_id}","spanId":"{span.span_id.hex()}"'
    parent = span.parent_span_id
    if any(parent):
        found += f',"parentSpanId":"{parent.hex()}"'
    if span.trace_state:
        found += f',"traceState":{quoted(text(span.trace_state))}'
    found += f'{_named(span.name)}{_kinded(span.kind)}{span.start}","endTimeUnixNano":"{ends(span)}"'
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
def _named(name: bytes) -> str:
    return f',"name":{quoted(text(name))}' if name else ""


@lru_cache(maxsize=64)
def _kinded(kind: int) -> str:
    return f',"kind":{kind},"startTimeUnixNano":"' if kind else ',"startTimeUnixNano":"'


@lru_cache(maxsize=64)
def _flagged(flags: int) -> str:
    return f',"flags":{flags}' if flags else ""


@lru_cache(maxsize=1024)
def _opening(key: bytes) -> str:
    return f'{{"key":{quoted(text(key))},"value":{{"stringValue":'


def _attribute(encoded: bytes) -> str:
    if encoded == MARK:
        return _END
    short = short_text(encoded)
    if short is not None:
        return f"{_opening(short[0])}{quoted(short[1])}}}}}"
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
