"""What the meter of this process has measured."""

from __future__ import annotations

from typing import Any

from devenv.tracing.active import state
from devenv.tracing.metrics.instruments import attributes_of


def series() -> list[tuple[dict[str, Any], int]]:
    """The attributes of each series and its count, since the last look."""
    assert state.meter is not None
    return [
        (attributes_of(found.instrument, values), sum(one.counts))
        for found in state.meter.collect()
        for values, one in found.series.items()
    ]
