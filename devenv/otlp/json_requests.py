"""The parts of an OTLP request in JSON, encoded as protobuf.

Format: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (IDs in hexadecimal, enums as integers,
64-bit integers as decimal strings or numbers, unknown fields ignored, names in lowerCamelCase).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from devenv.otlp import messages
from devenv.otlp.batches import Batch
from devenv.otlp.deep_values import MAX_DEPTH, STORED_DEPTH, TooDeep
from devenv.otlp.wire import TooLarge, Undecodable

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_CODES = ("UNSET", "OK", "ERROR")
# A span in JSON takes twenty times as long as one in protobuf: so many take a few milliseconds.
CHUNK_SPANS = 64
REFUSED = b""
"""Stands for a span that cannot be taken; it counts as rejected, as every span without an ID does."""

Document = dict[str, Any]


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


def resource_batches(document: Document) -> Iterator[Batch]:
    """Yield the batches of one ``ResourceSpans``.

    Raises:
        Undecodable: If a field has a value of the wrong type or range.
    """
    with checked():
        resource, url = described_resource(document)
        for scope_spans in objects(document, "scopeSpans", "scope_spans"):
            scope, scope_url = described_scope(scope_spans)
            spans = objects(scope_spans, "spans")
            for first in range(0, len(spans), CHUNK_SPANS):
                encoded = list(map(encoded_span, spans[first : first + CHUNK_SPANS]))
                yield Batch(resource, url, scope, scope_url, encoded)


@contextmanager
def checked() -> Iterator[None]:
    """Raise Undecodable for what the functions of this module raise."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
        if isinstance(error, Undecodable | TooLarge):
            raise
        raise Undecodable(f"OTLP JSON: {error}") from error


def described_resource(document: Document) -> tuple[bytes, bytes]:
    """Return the encoded resource of a ``ResourceSpans``, and its schema's URL."""
    resource = messages.Resource()
    given = _object(document, "resource")
    _attributes(resource.attributes, given)
    resource.dropped_attributes = _integer(given, "droppedAttributesCount", "dropped_attributes_count")
    return resource.SerializeToString(), _text(document, "schemaUrl", "schema_url")


def described_scope(document: Document) -> tuple[bytes, bytes]:
    """Return the encoded scope of a ``ScopeSpans``, and its schema's URL."""
    given = _object(document, "scope")
    scope = messages.Scope(name=_text(given, "name"), version=_text(given, "version"))
    _attributes(scope.attributes, given)
    scope.dropped_attributes = _integer(given, "droppedAttributesCount", "dropped_attributes_count")
    return scope.SerializeToString(), _text(document, "schemaUrl", "schema_url")


def encoded_span(document: Document) -> bytes:
    """Return a span in protobuf; ``REFUSED`` if one of its values is nested too deep."""
    try:
        return _span(document)
    except (TooDeep, RecursionError):
        return REFUSED


def _span(document: Document) -> bytes:
    span = messages.Span(
        trace_id=_id(document, 16, "traceId", "trace_id"),
        span_id=_id(document, 8, "spanId", "span_id"),
        parent_span_id=_id(document, 8, "parentSpanId", "parent_span_id"),
        trace_state=_text(document, "traceState", "trace_state"),
        name=_text(document, "name"),
        kind=_enum(document, "kind", "SPAN_KIND_", _KINDS),
        start=_integer(document, "startTimeUnixNano", "start_time_unix_nano"),
        end=_integer(document, "endTimeUnixNano", "end_time_unix_nano"),
        dropped_attributes=_integer(document, "droppedAttributesCount", "dropped_attributes_count"),
        dropped_events=_integer(document, "droppedEventsCount", "dropped_events_count"),
        dropped_links=_integer(document, "droppedLinksCount", "dropped_links_count"),
        flags=_integer(document, "flags"),
    )
    _attributes(span.attributes, document)
    for given in objects(document, "events"):
        event = span.events.add(time=_integer(given, "timeUnixNano", "time_unix_nano"), name=_text(given, "name"))
        event.dropped_attributes = _integer(given, "droppedAttributesCount", "dropped_attributes_count")
        _attributes(event.attributes, given)
    for given in objects(document, "links"):
        link = span.links.add(
            trace_id=_id(given, 16, "traceId", "trace_id"),
            span_id=_id(given, 8, "spanId", "span_id"),
            trace_state=_text(given, "traceState", "trace_state"),
            flags=_integer(given, "flags"),
            dropped_attributes=_integer(given, "droppedAttributesCount", "dropped_attributes_count"),
        )
        _attributes(link.attributes, given)
    status = _object(document, "status")
    if status:
        span.status.message = _text(status, "message")
        span.status.code = _enum(status, "code", "STATUS_CODE_", _CODES)
    encoded: bytes = span.SerializeToString()
    return encoded


def _attributes(target: Any, document: Document) -> None:
    for pair in objects(document, "attributes"):
        _value(target.add(key=_text(pair, "key")).value, _object(pair, "value"), 0)


def _value(target: Any, document: Document, depth: int) -> None:
    nested = ("arrayValue", "array_value", "kvlistValue", "kvlist_value")
    if depth >= STORED_DEPTH and any(document.get(name) is not None for name in nested):
        target.string_value = json.dumps(_plain(document, depth), ensure_ascii=False).encode("utf-8", "replace")
        return
    for name, given in document.items():
        if given is None:
            continue
        if name in _SCALARS:
            field, convert = _SCALARS[name]
            setattr(target, field, convert(given))
        elif name in {"arrayValue", "array_value"}:
            target.array_value.SetInParent()
            for item in objects(given, "values"):
                _value(target.array_value.values.add(), item, depth + 1)
        elif name in {"kvlistValue", "kvlist_value"}:
            target.kvlist_value.SetInParent()
            for pair in objects(given, "values"):
                entry = target.kvlist_value.values.add(key=_text(pair, "key"))
                _value(entry.value, _object(pair, "value"), depth + 1)


def _plain(document: Document, depth: int) -> Any:
    # The value as ordinary JSON has it; bytes stay in base64.
    if depth > MAX_DEPTH:
        raise TooDeep(f"values are nested more than {MAX_DEPTH} deep")
    found: Any = None
    for name, given in document.items():
        if given is None:
            continue
        if name in {"arrayValue", "array_value"}:
            found = [_plain(item, depth + 1) for item in objects(given, "values")]
        elif name in {"kvlistValue", "kvlist_value"}:
            pairs = objects(given, "values")
            found = {str(pair.get("key", "")): _plain(_object(pair, "value"), depth + 1) for pair in pairs}
        elif name in _SCALARS:
            converted = _SCALARS[name][1](given)
            found = given if isinstance(converted, bytes) else converted
    return found


def _given(document: Document, *names: str) -> Any:
    for name in names:
        value = document.get(name)
        if value is not None:
            return value
    return None


def _object(document: Document, name: str) -> Document:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{name} is not an object")
    return value


def objects(document: Document, *names: str) -> list[Document]:
    """Return a list of objects under the first of ``names`` that the document has.

    Raises:
        TypeError: If it is something else.
    """
    value = _given(document, *names)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError(f"{names[0]} is not a list of objects")
    return value


def _text(document: Document, *names: str) -> bytes:
    value = _given(document, *names)
    return b"" if value is None else _utf8(value)


def _utf8(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not a string")
    return value.encode("utf-8", "replace")


def _integer(document: Document, *names: str) -> int:
    value = _given(document, *names)
    return 0 if value is None else _whole(value)


def _whole(value: Any) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | str | float)
        or (isinstance(value, str) and len(value) > 24)
    ):
        raise TypeError(f"{str(value)[:40]!r} is not an integer")
    number = int(value)
    if number != (value if isinstance(value, int | float) else number):
        raise ValueError(f"{value!r} is not an integer")
    return number


def _enum(document: Document, name: str, prefix: str, names: tuple[str, ...]) -> int:
    value = document.get(name)
    if isinstance(value, str) and value.startswith(prefix) and value.removeprefix(prefix) in names:
        return names.index(value.removeprefix(prefix))
    return 0 if value is None else _whole(value)


def _id(document: Document, size: int, *names: str) -> bytes:
    value = _given(document, *names)
    if value is None or value == "":
        return b""
    if not isinstance(value, str) or len(value) != 2 * size:
        raise ValueError(f"{names[0]} has {2 * size} hexadecimal digits, not {str(value)[:40]!r}")
    try:
        return binascii.unhexlify(value)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{names[0]}: {error}") from error


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{str(value)[:40]!r} is not a boolean")
    return value


def _base64(value: Any) -> bytes:
    return base64.b64decode(value, validate=True)


_SCALARS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    name: (field, convert)
    for field, camel, convert in (
        ("string_value", "stringValue", _utf8),
        ("bool_value", "boolValue", _boolean),
        ("int_value", "intValue", _whole),
        ("double_value", "doubleValue", float),
        ("bytes_value", "bytesValue", _base64),
    )
    for name in (field, camel)
}
