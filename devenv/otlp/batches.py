"""The outer layers of an OTLP request, parsed without decoding the spans in them.

Protobuf decodes a body of ordinary size. A large one is read slice by slice, so that a hostile one (64 MiB of empty
spans) does not use the memory that a decoder's tree would.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from google.protobuf.message import DecodeError

from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.wire import FieldBudget, Undecodable, fields

CHUNK_SPANS = 512
CHUNK_BYTES = 512 * 1024
ORDINARY_BYTES = 1024 * 1024


@immutable()
class Batch:
    """Spans of one resource and scope: all fields as encoded bytes, URLs as UTF-8."""

    resource: bytes
    resource_url: bytes
    scope: bytes
    scope_url: bytes
    spans: list[bytes]


def batches(body: bytes) -> Iterator[Batch]:
    """Yield the batches of an encoded ExportTraceServiceRequest, none larger than a chunk (or one span).

    Raises:
        Undecodable: If the outer layers of the body are not such a message.
        TooLarge: See :func:`walk`.
    """
    return _decoded(body) if len(body) <= ORDINARY_BYTES else walk(body)


def _decoded(body: bytes) -> Iterator[Batch]:
    try:
        request = messages.Request.FromString(body)
    except DecodeError as error:
        raise Undecodable(f"request: {error}") from error
    for resource_spans in request.resource_spans:
        resource, url = resource_spans.resource, resource_spans.url
        for scope_spans in resource_spans.scope_spans:
            scope, scope_url, spans = scope_spans.scope, scope_spans.url, scope_spans.spans
            for first in range(0, len(spans), CHUNK_SPANS):
                yield Batch(resource, url, scope, scope_url, spans[first : first + CHUNK_SPANS])


def walk(body: bytes) -> Iterator[Batch]:
    """Yield the same as :func:`batches`, with at most one chunk in memory at a time.

    Raises:
        Undecodable: If the outer layers of the body are not such a message.
        TooLarge: If the body has more fields than the budget allows.
    """
    return (step for step in steps(body) if step is not None)


def steps(body: bytes) -> Iterator[Batch | None]:
    """Yield the same as :func:`walk`, and None at each point where the caller may let others run; raises the same.

    ``body`` may be a ``bytearray``.
    """
    budget = FieldBudget()
    for number, start, end in fields(body, 0, len(body), budget):
        if number == 1:
            yield from _resource_spans(body, start, end, budget)
        elif number == 0:
            yield None


def _resource_spans(body: bytes, start: int, end: int, budget: FieldBudget) -> Iterator[Batch | None]:
    # Fields may have any order on the wire, so the description may come after the spans: a first pass finds it.
    resource, url = yield from _described(body, start, end, budget)
    for number, first, last in fields(body, start, end, budget):
        if number == 0:
            yield None
        elif number == 2:
            scope, scope_url = yield from _described(body, first, last, budget)
            for spans in _chunks(body, first, last, budget):
                yield Batch(resource, url, scope, scope_url, spans) if spans else None


def _described(body: bytes, start: int, end: int, budget: FieldBudget) -> Generator[None, None, tuple[bytes, bytes]]:
    # Fields 1 and 3: resource or scope, and its schema's URL.
    about = url = b""
    for number, first, last in fields(body, start, end, budget):
        if number == 0:
            yield None
        elif number == 1:
            about = bytes(body[first:last])
        elif number == 3:
            url = bytes(body[first:last])
    return about, url


def _chunks(body: bytes, start: int, end: int, budget: FieldBudget) -> Iterator[list[bytes]]:
    # An empty chunk is a pause.
    spans: list[bytes] = []
    size = 0
    for number, first, last in fields(body, start, end, budget):
        if number == 0:
            yield []
        if number != 2:
            continue
        spans.append(bytes(body[first:last]))
        size += last - first
        if len(spans) == CHUNK_SPANS or size >= CHUNK_BYTES:
            yield spans
            spans, size = [], 0
    if spans:
        yield spans
