"""Encodes histograms as an OTLP `ExportMetricsServiceRequest`.

Field numbers: opentelemetry-proto's metrics.proto (https://github.com/open-telemetry/opentelemetry-proto). Those of
`ResourceMetrics` and `ScopeMetrics` are the same as of `ResourceSpans` and `ScopeSpans`.
"""

from __future__ import annotations

from struct import Struct, pack
from typing import Any

from devenv.tracing.active import SCHEMA_URL, SCOPE
from devenv.tracing.export.encoding import Encoder
from devenv.tracing.export.wire import block, text
from devenv.tracing.metrics.instruments import Instrument, Values, attributes_of
from devenv.tracing.metrics.store import Collected, Series

_SCOPE: tuple[Any, ...] = (SCOPE, "", SCHEMA_URL, {})
_DELTA, _CUMULATIVE = b"\x10\x01", b"\x10\x02"  # aggregation_temporality = 2
# start_time_unix_nano = 2, time_unix_nano = 3, count = 4, sum = 5, min = 11, max = 12
_NUMBERS = Struct("<BQBQBQBdBdBd")


class MetricEncoder(Encoder):
    """Encodes batches of histograms; secrets in attributes are redacted as in spans."""

    scope: Any = staticmethod(lambda _item: _SCOPE)

    def encode(self, item: Any) -> bytes:
        """Return a histogram as a field of `ScopeMetrics`."""
        collected: Collected = item
        instrument = collected.instrument
        bounds = block(b"\x3a", pack(f"<{len(instrument.bounds)}d", *instrument.bounds))
        points = [self._point(collected, bounds, values, series) for values, series in collected.series.items()]
        body = b"".join(points) + (_DELTA if collected.delta else _CUMULATIVE)
        head = text(b"\x0a", instrument.name) + text(b"\x12", instrument.description) + text(b"\x1a", instrument.unit)
        return block(b"\x12", head + block(b"\x4a", body))

    def _point(self, collected: Collected, bounds: bytes, values: Values, series: Series) -> bytes:
        numbers = _NUMBERS.pack(
            0x11, collected.began, 0x19, collected.ended, 0x21, sum(series.counts), 0x29, series.sum,
            0x59, series.smallest, 0x61, series.largest,
        )  # fmt: skip
        counts = block(b"\x32", pack(f"<{len(series.counts)}Q", *series.counts))
        return block(b"\x0a", numbers + counts + bounds + self._of(collected.instrument, values))

    def _of(self, instrument: Instrument, values: Values) -> bytes:
        return self._others(b"\x4a", attributes_of(instrument, values))
