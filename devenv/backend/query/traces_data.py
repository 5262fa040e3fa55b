"""A stored trace as OTLP protobuf: the bytes as they are stored, for devenv's own commands and pages."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.backend.store.decoding import Snapshot, encoded, paused
from devenv.backend.store.scopes import Scope
from devenv.otlp.span_encoding import encode_attributes
from devenv.otlp.wire import bytes_field

MEDIA_TYPE = "application/x-protobuf"


def traces_data(taken: Snapshot) -> Iterator[bytes]:
    """Yield a trace as an encoded ``TracesData``, its spans as they were sent, each once; empty pieces are pauses."""
    trace = yield from paused(encoded(taken), b"")
    for scope, payloads in trace.chunks:
        if payloads:
            yield _resource_spans(scope, payloads)


def _resource_spans(scope: Scope, payloads: list[bytes]) -> bytes:
    # The resource with the service name that Jaeger shows if there is none, as in the JSON answers.
    resource_url, scope_bytes, scope_url = scope.key[1:]
    spans = b"".join([bytes_field(2, payload) for payload in payloads])
    scope_spans = bytes_field(1, scope_bytes) + spans + bytes_field(3, scope_url)
    resource = encode_attributes(1, scope.resource)
    return bytes_field(1, bytes_field(1, resource) + bytes_field(2, scope_spans) + bytes_field(3, resource_url))
