"""Checks the spans of a batch and returns the fields that the store indexes, many spans with one call into C."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.deep_values import TOO_DEEP, DeepValues, TooDeep
from devenv.otlp.wire import Undecodable

_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
# Above every limit of the SDKs; bounds the memory for decoding one span.
MAX_SPAN_BYTES = 4 * 1024 * 1024
_PARENT_SIZES = {0, 8}
# What the decoder says of a message in a message in a message…, 100 times.
_MIN_SPAN_BYTES = 28  # the two IDs alone


@immutable()
class Columns:
    """n spans field by field; ``payloads`` are the encoded spans, unchanged unless values are deep. Times in ns."""

    trace_ids: list[bytes]
    payloads: list[bytes]
    names: list[bytes]
    kinds: list[int]
    starts: list[int]
    ends: list[int]
    rejected: int = 0


def decode(spans: list[bytes]) -> Columns:
    """Decode ``spans``; those without a trace or span ID, too large or nested too deep count as rejected.

    Raises:
        Undecodable: If one of them is not a span.
    """
    joined = b"".join(spans)
    if len(joined) <= MAX_SPAN_BYTES:
        columns = _together(spans, joined)
        if columns is not None:
            return columns
    return _one_by_one(spans)


def _together(spans: list[bytes], joined: bytes) -> Columns | None:
    try:
        found = messages.SpanColumns.FromString(joined)
    except DecodeError:
        return None
    count = len(spans)
    trace_ids, names, kinds, starts, ends = found.trace_id, found.name, found.kind, found.start, found.end
    if not len(trace_ids) == len(names) == len(kinds) == len(starts) == len(ends) == count:
        # proto3 omits zero values: the columns are then not aligned.
        return None
    trace_ids, span_ids = trace_ids[:], found.span_id[:]  # lists; list() takes a third longer
    usual = (
        len(span_ids) == count
        and set(map(len, trace_ids)) == {16}
        and set(map(len, span_ids)) == {8}
        and set(map(len, found.parent_span_id)) <= _PARENT_SIZES
        and _NO_TRACE not in trace_ids
        and _NO_SPAN not in span_ids
    )
    return Columns(trace_ids, spans, names[:], kinds[:], starts[:], ends[:]) if usual else None


def _one_by_one(spans: list[bytes]) -> Columns:
    columns = Columns([], [], [], [], [], [])
    rejected = 0
    deep = DeepValues()
    for encoded in spans:
        if not _MIN_SPAN_BYTES <= len(encoded) <= MAX_SPAN_BYTES:
            rejected += 1
            continue
        try:
            span, payload = _read(encoded, deep)
        except TooDeep:
            rejected += 1
            continue
        trace_id, span_id = span.trace_id, span.span_id
        _check_lengths(trace_id, span_id, span.parent_span_id)
        if not any(trace_id) or not any(span_id):
            rejected += 1
            continue
        columns.trace_ids.append(trace_id)
        columns.payloads.append(payload)
        columns.names.append(span.name)
        columns.kinds.append(span.kind)
        columns.starts.append(span.start)
        columns.ends.append(span.end)
    return Columns(
        columns.trace_ids,
        columns.payloads,
        columns.names,
        columns.kinds,
        columns.starts,
        columns.ends,
        rejected,
    )


def _read(encoded: bytes, deep: DeepValues) -> tuple[Any, bytes]:
    """The span and what to store of it."""
    try:
        try:
            return messages.Span.FromString(encoded), encoded
        except DecodeError as error:
            if TOO_DEEP not in str(error):
                raise
        payload = deep.shallower(encoded)
        return messages.Span.FromString(payload), payload
    except DecodeError as error:
        raise Undecodable(f"span: {error}") from error


def _check_lengths(trace_id: bytes, span_id: bytes, parent_id: bytes) -> None:
    """Refuse the request, as the collector and Jaeger do: an exporter that writes such an ID writes all of them so."""
    for name, found, size in (
        ("trace_id", trace_id, 16),
        ("span_id", span_id, 8),
        ("parent_span_id", parent_id, 8),
    ):
        if len(found) not in {0, size}:
            raise Undecodable(f"{name} has {size} bytes, not {len(found)}")
