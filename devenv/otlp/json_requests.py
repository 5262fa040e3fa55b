"""The parts of an OTLP request in JSON, encoded as protobuf.

The requests of all signals have the same layers: a list of resources, in each a list of scopes, in each the items.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.batches import Batch
from devenv.otlp.deep_values import TooDeep
from devenv.otlp.json_fields import (
    Document,
    an_object,
    checked,
    enum,
    identifier,
    integer,
    objects,
    set_attributes,
    text_of,
)
from devenv.otlp.wire import Undecodable

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_CODES = ("UNSET", "OK", "ERROR")
# A span in JSON takes twenty times as long as one in protobuf: so many take a few milliseconds.
CHUNK_SPANS = 64
REFUSED = b""
"""Stands for a span that cannot be taken; it counts as rejected, as every span without an ID does."""


@immutable()
class JsonSignal:
    """What differs between the requests of two signals.

    Attributes:
        resources, scopes, items: names of the three lists, each in lowerCamelCase and as in protobuf.
        encode: returns an item in protobuf; ``REFUSED`` if it cannot be taken.
    """

    resources: tuple[str, ...]
    scopes: tuple[str, ...]
    items: tuple[str, ...]
    encode: Callable[[Document], bytes]


def parse(body: bytes) -> Document:
    """Return the JSON object in ``body``, which must be small.

    Raises:
        Undecodable: If it is not a JSON object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"JSON: {error}") from error
    if not isinstance(document, dict):
        raise Undecodable("JSON: not an object")
    return document


def resource_batches(document: Document, signal: JsonSignal) -> Iterator[Batch]:
    """Yield the batches of one ``ResourceSpans``, or another signal's.

    Raises:
        Undecodable: If a field has a value of the wrong type or range.
    """
    with checked():
        resource, url = described_resource(document)
        for part in objects(document, *signal.scopes):
            scope, scope_url = described_scope(part)
            items = objects(part, *signal.items)
            for first in range(0, len(items), CHUNK_SPANS):
                encoded = list(map(signal.encode, items[first : first + CHUNK_SPANS]))
                yield Batch(resource, url, scope, scope_url, encoded)


def described_resource(document: Document) -> tuple[bytes, bytes]:
    """Return the encoded resource of a ``ResourceSpans``, and its schema's URL."""
    resource = messages.Resource()
    given = an_object(document, "resource")
    set_attributes(resource.attributes, given)
    resource.dropped_attributes = integer(given, "droppedAttributesCount", "dropped_attributes_count")
    return resource.SerializeToString(), text_of(document, "schemaUrl", "schema_url")


def described_scope(document: Document) -> tuple[bytes, bytes]:
    """Return the encoded scope of a ``ScopeSpans``, and its schema's URL."""
    given = an_object(document, "scope")
    scope = messages.Scope(name=text_of(given, "name"), version=text_of(given, "version"))
    set_attributes(scope.attributes, given)
    scope.dropped_attributes = integer(given, "droppedAttributesCount", "dropped_attributes_count")
    return scope.SerializeToString(), text_of(document, "schemaUrl", "schema_url")


def encoded_span(document: Document) -> bytes:
    """Return a span in protobuf; ``REFUSED`` if one of its values is nested too deep."""
    try:
        return _span(document)
    except (TooDeep, RecursionError):
        return REFUSED


def _span(document: Document) -> bytes:
    span = messages.Span(
        trace_id=identifier(document, 16, "traceId", "trace_id"),
        span_id=identifier(document, 8, "spanId", "span_id"),
        parent_span_id=identifier(document, 8, "parentSpanId", "parent_span_id"),
        trace_state=text_of(document, "traceState", "trace_state"),
        name=text_of(document, "name"),
        kind=enum(document, "SPAN_KIND_", _KINDS, "kind"),
        start=integer(document, "startTimeUnixNano", "start_time_unix_nano"),
        end=integer(document, "endTimeUnixNano", "end_time_unix_nano"),
        dropped_attributes=integer(document, "droppedAttributesCount", "dropped_attributes_count"),
        dropped_events=integer(document, "droppedEventsCount", "dropped_events_count"),
        dropped_links=integer(document, "droppedLinksCount", "dropped_links_count"),
        flags=integer(document, "flags"),
    )
    set_attributes(span.attributes, document)
    for given in objects(document, "events"):
        event = span.events.add(time=integer(given, "timeUnixNano", "time_unix_nano"), name=text_of(given, "name"))
        event.dropped_attributes = integer(given, "droppedAttributesCount", "dropped_attributes_count")
        set_attributes(event.attributes, given)
    for given in objects(document, "links"):
        link = span.links.add(
            trace_id=identifier(given, 16, "traceId", "trace_id"),
            span_id=identifier(given, 8, "spanId", "span_id"),
            trace_state=text_of(given, "traceState", "trace_state"),
            flags=integer(given, "flags"),
            dropped_attributes=integer(given, "droppedAttributesCount", "dropped_attributes_count"),
        )
        set_attributes(link.attributes, given)
    status = an_object(document, "status")
    if status:
        span.status.message = text_of(status, "message")
        span.status.code = enum(status, "STATUS_CODE_", _CODES, "code")
    encoded: bytes = span.SerializeToString()
    return encoded


SPANS = JsonSignal(("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), ("spans",), encoded_span)
