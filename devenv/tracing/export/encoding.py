"""Encodes ended spans as an OTLP `ExportTraceServiceRequest`.

The message is written directly (field numbers of opentelemetry-proto's trace.proto, resource.proto and common.proto,
https://github.com/open-telemetry/opentelemetry-proto): the resource and each scope once, each attribute key once,
repeated values once. Runs in the exporter's thread only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from struct import Struct
from typing import Any

from opentelemetry.trace import SpanKind

from devenv.tracing.export.redaction import REDACTED, Redactor
from devenv.tracing.export.wire import SMALL, VARINTS, block, text, varint
from devenv.tracing.light.native import speed
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import NO_STATE
from devenv.tracing.light.values import shorten

_IDS = Struct(">2s16s2sQ")  # trace_id = 1, span_id = 2
_IDS_BELOW = Struct(">2s16s2sQ2sQ")  # and parent_span_id = 4
_TIMES = Struct("<BQBQHI")  # start_time_unix_nano = 7, end_time_unix_nano = 8, flags = 16
_LINK_FLAGS = Struct("<BI")
_DOUBLE = Struct("<d")
_TIME = Struct("<BQ")
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200
_CACHE_KEYS = 1024
_CACHE_VALUES = 256
_CACHE_NAMES = 2048
_CACHE_LENGTH = 256


class _Key:
    """An encoded attribute key, the redaction of its values, and the texts and whole numbers encoded so far.

    A key with too many different values is not cached any more.
    """

    __slots__ = ("kind", "numbers", "prefix", "repeats", "texts")

    def __init__(self, key: str, kind: str) -> None:
        self.prefix = text(b"\x0a", key)
        self.kind = kind
        self.texts: dict[str, bytes] = {}
        self.numbers: dict[int, bytes] = {}
        self.repeats = True

    def forget(self) -> None:
        """Stop caching."""
        self.repeats = False
        self.texts.clear()
        self.numbers.clear()


class Encoder:
    """Encodes batches.

    Args:
        redactor: Removes secrets.
        span_length: Maximum length of a span attribute's text, None for no limit.
        other_length: Maximum length of an event's or link's attribute text, None for no limit.
    """

    scope = attrgetter("tracer.scope")
    """Returns an item's instrumentation scope: name, version, schema URL, attributes."""

    def __init__(self, redactor: Redactor, span_length: int | None = None, other_length: int | None = None) -> None:
        self._redactor = redactor
        self._span_length = span_length
        self._other_length = other_length
        self._keys: dict[str, _Key] = {}
        self._names: dict[tuple[str, int], bytes] = {}

    def resource(self, attributes: Mapping[str, Any]) -> bytes:
        """Return the resource field of a `ResourceSpans`."""
        body = b"".join(
            block(b"\x0a", text(b"\x0a", key) + block(b"\x12", any_value(value))) for key, value in attributes.items()
        )
        return block(b"\x0a", body)

    def request(self, resource: bytes, spans: Mapping[int, tuple[tuple[Any, ...], list[bytes]]]) -> bytes:
        """Return a complete request.

        Args:
            resource: The result of `resource`.
            spans: By any key, a scope (name, version, schema URL, attributes) and its encoded items.
        """
        scopes = [
            block(b"\x12", _scope(scope) + b"".join(encoded) + text(b"\x1a", scope[2]))
            for scope, encoded in spans.values()
        ]
        return block(b"\x0a", resource + b"".join(scopes))

    def encode(self, span: LightSpan) -> bytes:
        """Return a span as a field of `ScopeSpans`."""
        trace = span.trace
        name = self._names.get((span.name, id(span.kind))) or self._name(span.name, span.kind)
        trace_id = bytes.fromhex(trace.hex)
        if span.parent_id:
            ids = _IDS_BELOW.pack(b"\x0a\x10", trace_id, b"\x12\x08", span.span_id, b"\x22\x08", span.parent_id)
        else:
            ids = _IDS.pack(b"\x0a\x10", trace_id, b"\x12\x08", span.span_id)
        flags = trace.flags & 0xFF | (_HAS_REMOTE | _IS_REMOTE if span.remote_parent else _HAS_REMOTE)
        ended = span.end_time or span.start_time
        parts = [ids, name, _TIMES.pack(0x39, span.start_time, 0x41, ended, 0x0185, flags)]
        shared = span.shared
        if shared is not None:
            parts.append(shared.encoded if shared.encoder is self else self._share(shared))
        if span.own:
            self._attributes(span.own, parts)
        if trace.state is not NO_STATE:
            parts.append(text(b"\x1a", trace.state.to_header()))
        if span.eventful:
            parts.extend(self._rare(span))
        body = b"".join(parts)
        size = len(body)
        return b"\x12" + (VARINTS[size] if size < SMALL else varint(size)) + body

    def _share(self, shared: Shared) -> bytes:
        parts: list[bytes] = []
        self._attributes(shared.values, parts)
        shared.encoded = b"".join(parts)
        shared.encoder = self
        return shared.encoded

    def _name(self, name: str, kind: SpanKind) -> bytes:
        encoded = text(b"\x2a", name) + b"\x30" + varint(kind.value + 1)
        if len(self._names) < _CACHE_NAMES:
            self._names[name, id(kind)] = encoded  # an enumeration's own hash is a function in Python
        return encoded

    def _attributes(self, attributes: Mapping[str, Any], parts: list[bytes]) -> None:
        keys = self._keys
        for name, value in attributes.items():
            key = keys.get(name) or self._key(name)
            kind = value.__class__
            if kind is str:
                seen = key.texts.get(value)
            elif kind is int:
                seen = key.numbers.get(value)
            else:
                seen = None
            parts.append(seen or self._remember(key, value))

    def _key(self, name: str) -> _Key:
        key = _Key(name, self._redactor.kind(name))
        if len(self._keys) < _CACHE_KEYS:
            self._keys[name] = key
        return key

    def _remember(self, key: _Key, value: Any) -> bytes:
        encoded = self._attribute(key, value)
        kind = value.__class__
        seen: dict[Any, bytes] = key.texts if kind is str else key.numbers
        if kind in {str, int} and key.repeats and len(encoded) < _CACHE_LENGTH:
            if len(seen) >= _CACHE_VALUES:
                key.forget()
            else:
                seen[value] = encoded
        return encoded

    def _attribute(self, key: _Key, value: Any) -> bytes:
        value = self._presentable(key.kind, value, self._span_length)
        if value.__class__ is str:
            data = value.encode("utf-8", "replace")
            size = len(data)
            if size < 100 and len(key.prefix) + size < 120:
                prefix = key.prefix
                lengths = b"\x12%c\x0a%c" % (size + 2, size)
                return b"\x4a%c" % (len(prefix) + 4 + size) + prefix + lengths + data
        return block(b"\x4a", key.prefix + block(b"\x12", any_value(value)))

    def _presentable(self, kind: str, value: Any, length: int | None) -> Any:
        if kind:
            if kind == "secret":
                return REDACTED
            if isinstance(value, str):
                value = self._redactor.url(value) if kind == "url" else self._redactor.text(value)
        return value if length is None else shorten(value, length)

    def _others(self, tag: bytes, attributes: Mapping[str, Any]) -> bytes:
        """Return the attributes of an event or a link."""
        encoded = []
        for name, value in attributes.items():
            key = self._keys.get(name) or self._key(name)
            shown = self._presentable(key.kind, value, self._other_length)
            encoded.append(block(tag, key.prefix + block(b"\x12", any_value(shown))))
        return b"".join(encoded)

    def _rare(self, span: LightSpan) -> Iterator[bytes]:
        if span.dropped_attributes:
            yield b"\x50" + varint(span.dropped_attributes)
        for timestamp, name, attributes, dropped in span.raw_events or ():
            body = _TIME.pack(0x09, timestamp) + text(b"\x12", name) + self._others(b"\x1a", attributes)
            yield block(b"\x5a", body + (b"\x20" + varint(dropped) if dropped else b""))
        if span.dropped_events:
            yield b"\x60" + varint(span.dropped_events)
        for context, attributes, dropped in span.raw_links or ():
            body = block(b"\x0a", context.trace_id.to_bytes(16, "big")) + block(
                b"\x12", context.span_id.to_bytes(8, "big")
            )
            if context.trace_state:
                body += text(b"\x1a", context.trace_state.to_header())
            body += self._others(b"\x22", attributes) + (b"\x28" + varint(dropped) if dropped else b"")
            flags = context.trace_flags & 0xFF | _HAS_REMOTE | (_IS_REMOTE if context.is_remote else 0)
            yield block(b"\x6a", body + _LINK_FLAGS.pack(0x35, flags))
        if span.dropped_links:
            yield b"\x70" + varint(span.dropped_links)
        if span.status_code.value:
            message = self._redactor.text(span.status_message or "")
            yield block(b"\x7a", text(b"\x12", message) + b"\x18" + varint(span.status_code.value))


if speed is not None:
    speed.use_encoder(Encoder, Shared, _Key)


def any_value(value: Any) -> bytes:
    """Return the body of an `AnyValue`; None is the empty one."""
    if isinstance(value, str):
        return block(b"\x0a", value.encode("utf-8", "replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            return b"\x18" + varint(value)
        return any_value(str(value))
    if isinstance(value, float):
        return b"\x21" + _DOUBLE.pack(value)
    if isinstance(value, bytes):
        return block(b"\x3a", value)
    if isinstance(value, Mapping):
        pairs = (
            block(b"\x0a", text(b"\x0a", str(key)) + block(b"\x12", any_value(item))) for key, item in value.items()
        )
        return block(b"\x32", b"".join(pairs))
    if isinstance(value, Sequence):
        return block(b"\x2a", b"".join(block(b"\x0a", any_value(item)) for item in value))
    return b"" if value is None else any_value(str(value))


def _scope(scope: tuple[Any, ...]) -> bytes:
    name, version, _, attributes = scope
    body = text(b"\x0a", name) + text(b"\x12", version)
    for key, value in attributes.items():
        body += block(b"\x1a", text(b"\x0a", key) + block(b"\x12", any_value(value)))
    return block(b"\x0a", body)
