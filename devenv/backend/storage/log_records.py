"""The body of a record of log records: one batch, encoded as it is in memory, with what its index needs."""

from __future__ import annotations

import struct

from devenv.backend.logs.records import LogAddition
from devenv.backend.storage.packing import BodyReader, check_positions, equal_slices, words

# Scope, numbers of log records and of their traces, order of the first.
_HEAD = struct.Struct("<3IQ")
_ID = 16


def encode_logs(scope: int, addition: LogAddition) -> list[bytes]:
    """Return the body, in parts, of the record of an addition; its scope is encoded as that of spans is."""
    traces = {b"": 0}
    positions = [traces.setdefault(trace_id, len(traces)) for trace_id in addition.trace_ids]
    ids = list(traces)[1:]
    return [
        _HEAD.pack(scope, len(addition.payloads), len(ids), addition.first),
        *ids,
        words("I", positions),
        words("I", list(map(len, addition.payloads))),
        words("i", addition.severities),
        words("Q", addition.times),
        *addition.payloads,
    ]


def decode_logs(reader: BodyReader) -> tuple[int, LogAddition]:
    """Return the number of the scope and the addition.

    Raises:
        Damaged: If it is not such a record.
    """
    scope, count, traces, first = reader.unpack(_HEAD)
    ids = [b"", *equal_slices(reader.take(traces * _ID), _ID)]
    positions, sizes = reader.words("I", count), reader.words("I", count)
    severities, times = reader.words("i", count), reader.words("Q", count)
    check_positions(positions, len(ids))
    payloads = list(reader.pieces(sizes))
    return scope, LogAddition(first, payloads, times, severities, [ids[at] for at in positions])
