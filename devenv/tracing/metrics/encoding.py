"""Encodes histograms as an OTLP `ExportMetricsServiceRequest`.

Field numbers: opentelemetry-proto's metrics.proto (https://github.com/open-telemetry/opentelemetry-proto). Those of
`ResourceMetrics` and `ScopeMetrics` are the same as of `ResourceSpans` and `ScopeSpans`.
"""

from __future__ import annotations

from struct import Struct, pack
from typing import Any

from devenv.tracing.active import SCHEMA_URL, SCOPE
from devenv.tracing.export.encoding import Encoder
from devenv.tracing.export.wire import block, text, varint
from devenv.tracing.metrics.exponential import ExponentialSeries
from devenv.tracing.metrics.instruments import attributes_of
from devenv.tracing.metrics.store import Collected, Series

_SCOPE: tuple[Any, ...] = (SCOPE, "", SCHEMA_URL, {})
_DELTA, _CUMULATIVE = b"\x10\x01", b"\x10\x02"  # aggregation_temporality = 2
# start_time_unix_nano = 2, time_unix_nano = 3, count = 4, sum = 5, min = 11, max = 12
_NUMBERS = Struct("<BQBQBQBdBdBd")
# The same, but min = 12, max = 13, and zero_count = 7
_EXPONENTIAL = Struct("<BQBQBQBdBdBdBQ")


class MetricEncoder(Encoder):
    """Encodes batches of histograms; secrets in attributes are redacted as in spans."""

    scope: Any = staticmethod(lambda _item: _SCOPE)

    def encode(self, item: Any) -> bytes:
        """Return a histogram as a field of `ScopeMetrics`."""
        collected: Collected = item
        instrument = collected.instrument
        head = text(b"\x0a", instrument.name) + text(b"\x12", instrument.description) + text(b"\x1a", instrument.unit)
        bounds = block(b"\x3a", pack(f"<{len(instrument.bounds)}d", *instrument.bounds))
        tag, points = b"\x4a", []
        for values, series in collected.series.items():
            attributes = attributes_of(instrument, values)
            if isinstance(series, ExponentialSeries):
                tag = b"\x52"
                body = self._others(b"\x0a", attributes) + _exponential(collected, series)
            else:
                body = self._others(b"\x4a", attributes) + _explicit(collected, series) + bounds
            points.append(block(b"\x0a", body))
        return block(b"\x12", head + block(tag, b"".join(points) + (_DELTA if collected.delta else _CUMULATIVE)))


def _explicit(collected: Collected, series: Series) -> bytes:
    numbers = _NUMBERS.pack(
        0x11, collected.began, 0x19, collected.ended, 0x21, series.count, 0x29, series.sum,
        0x59, series.smallest, 0x61, series.largest,
    )  # fmt: skip
    return numbers + block(b"\x32", pack(f"<{len(series.counts)}Q", *series.counts))


def _exponential(collected: Collected, series: ExponentialSeries) -> bytes:
    numbers = _EXPONENTIAL.pack(
        0x11, collected.began, 0x19, collected.ended, 0x21, series.count, 0x29, series.sum,
        0x61, series.smallest, 0x69, series.largest, 0x39, series.zeros,
    )  # fmt: skip
    body = numbers + b"\x30" + _signed(series.scale)
    if not series.buckets:
        return body
    low, high = min(series.buckets), max(series.buckets)
    counts = b"".join(varint(series.buckets.get(index, 0)) for index in range(low, high + 1))
    return body + block(b"\x42", b"\x08" + _signed(low) + block(b"\x12", counts))


def _signed(number: int) -> bytes:
    """Encode a `sint32`."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)
