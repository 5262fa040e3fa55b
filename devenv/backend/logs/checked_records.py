"""Checks the log records of a batch and returns the fields that the store indexes."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from devenv.immutable import immutable
from devenv.model.severity import severity_number
from devenv.otlp import messages
from devenv.otlp.deep_values import TOO_DEEP, DeepValues, TooDeep
from devenv.otlp.wire import Undecodable

MAX_RECORD_BYTES = 1024 * 1024
"""Above the limits of all SDKs; bounds the memory for decoding one record."""
_NO_TRACE = bytes(16)
_ID_SIZES = (("trace_id", 16), ("span_id", 8))


@immutable()
class CheckedRecords:
    """n log records; ``payloads`` are the encoded ones, unchanged unless values are deep.

    Attributes:
        times: ns since the epoch; when the record was observed if it has no time itself, 0 if it has neither.
        severities: OpenTelemetry's numbers; 0 if it is not known.
        trace_ids: of 16 bytes; empty if a record belongs to no trace.
    """

    payloads: list[bytes]
    times: list[int]
    severities: list[int]
    trace_ids: list[bytes]
    rejected: int = 0


def check(records: list[bytes]) -> CheckedRecords:
    """Check ``records``; those that are empty, too large or nested too deep count as rejected.

    Raises:
        Undecodable: If one of them is not a log record.
    """
    found = CheckedRecords([], [], [], [])
    deep: DeepValues | None = None
    rejected = 0
    for encoded in records:
        if not 0 < len(encoded) <= MAX_RECORD_BYTES:
            rejected += 1
            continue
        payload = encoded
        try:
            record = messages.LogRecord.FromString(encoded)
        except DecodeError as error:
            deep = deep or DeepValues()
            shallow = _shallower(encoded, error, deep)
            if shallow is None:
                rejected += 1
                continue
            record, payload = shallow
        trace_id = record.trace_id
        if trace_id or record.span_id:
            _check_lengths(record)
        found.payloads.append(payload)
        found.times.append(record.time or record.observed_time)
        found.severities.append(record.severity or _named(record.severity_text))
        found.trace_ids.append(b"" if trace_id == _NO_TRACE else trace_id)
    return CheckedRecords(found.payloads, found.times, found.severities, found.trace_ids, rejected)


def _shallower(encoded: bytes, error: DecodeError, deep: DeepValues) -> tuple[Any, bytes] | None:
    """The record and what to store of it; ``None`` if a value is nested too deep."""
    try:
        if TOO_DEEP not in str(error):
            raise error
        payload = deep.record(encoded)
        return messages.LogRecord.FromString(payload), payload
    except TooDeep:
        return None
    except DecodeError as wrong:
        raise Undecodable(f"log record: {wrong}") from wrong


def _check_lengths(record: Any) -> None:
    """Refuse the request, as for spans: an exporter that writes such an ID writes all of them so."""
    for name, size in _ID_SIZES:
        found = getattr(record, name)
        if len(found) not in {0, size}:
            raise Undecodable(f"{name} has {size} bytes, not {len(found)}")


def _named(text: bytes) -> int:
    return severity_number(text.decode("utf-8", "replace")) if text else 0
