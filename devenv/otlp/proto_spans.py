"""Encoded OTLP spans as values of the model: the store's, and those of devenv's own backend in an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError

from devenv.immutable import immutable
from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status, Value
from devenv.otlp import messages
from devenv.otlp.attribute_cache import AttributeCache
from devenv.otlp.values import attributes, plain, text

_KINDS = tuple(SpanKind)
_STATUSES = tuple(Status)
_NO_PARENT = bytes(8)


@immutable()
class SpanOrigin:
    """What the spans of one resource and scope have in common."""

    service: str
    resource: dict[str, Value]
    scope: str
    scope_version: str


def parse_spans(body: bytes) -> Iterator[Span]:
    """Yield the spans of an encoded ``TracesData`` whose resources all have a service name.

    Raises:
        ValueError: If it is not one.
    """
    try:
        for resource_spans in messages.Request.FromString(body).resource_spans:
            resource = attributes(messages.Resource.FromString(resource_spans.resource).attributes)
            for scope_spans in resource_spans.scope_spans:
                scope = messages.Scope.FromString(scope_spans.scope)
                service = str(resource.get("service.name", ""))
                origin = SpanOrigin(service, resource, text(scope.name), text(scope.version))
                for span in scope_spans.spans:
                    yield model_span(messages.OpaqueSpan.FromString(span), origin)
    except DecodeError as error:
        raise ValueError(f"not an OTLP message: {error}") from error


def model_span(span: Any, origin: SpanOrigin) -> Span:
    """Return a ``messages.OpaqueSpan`` as a span; its end is at least its start plus 1 ns, as Jaeger sanitizes it."""
    # What most spans do not have is not touched: each access to a part makes an object.
    kind, start, parent, state = span.kind, span.start, span.parent_span_id, span.trace_state
    code, message = (span.status.code, span.status.message) if span.HasField("status") else (0, b"")
    events, links = span.events, span.links
    return Span(
        trace_id=_hex(span.trace_id),
        span_id=span.span_id.hex(),
        parent_id=parent.hex() if parent and parent != _NO_PARENT else None,
        service=origin.service,
        name=_name(span.name),
        kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else SpanKind.UNSPECIFIED,
        start_ns=start,
        end_ns=max(span.end, start + 1),
        status=_STATUSES[code] if 0 <= code < len(_STATUSES) else Status.UNSET,
        status_message=text(message) if message else "",
        attributes=_Attributes(span),
        events=tuple(map(_event, events)) if events else (),
        links=tuple(map(_link, links)) if links else (),
        resource=origin.resource,
        scope=origin.scope,
        scope_version=origin.scope_version,
        trace_state=text(state) if state else "",
    )


class _Attributes(Mapping[str, Value]):
    """A span's attributes, decoded when they are first used: a waterfall or a map of services uses none of most."""

    __slots__ = ("_decoded", "_span")

    def __init__(self, span: Any) -> None:
        self._span = span
        self._decoded: dict[str, Value] | None = None

    def _all(self) -> dict[str, Value]:
        if self._decoded is None:
            self._decoded = _decoded(self._span.attributes)
            self._span = None
        return self._decoded

    def __getitem__(self, key: str) -> Value:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


def _event(event: Any) -> SpanEvent:
    return SpanEvent(event.time, text(event.name), attributes(event.attributes))


def _link(link: Any) -> SpanLink:
    return SpanLink(link.trace_id.hex(), link.span_id.hex(), attributes(link.attributes))


@lru_cache(maxsize=1024)
def _hex(trace_id: bytes) -> str:
    found: str = trace_id.hex()
    return found


@lru_cache(maxsize=8192)
def _name(name: bytes) -> str:
    return text(name)


def _decoded(encoded: Any) -> dict[str, Value]:
    # As `values.attributes`: the first of equal keys counts.
    pairs = _pairs.values(encoded)
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed(pairs))


def _pair(encoded: bytes) -> tuple[str, Value]:
    pair = messages.KeyValue.FromString(encoded)
    return text(pair.key), plain(pair.value)


_pairs = AttributeCache(_pair)
