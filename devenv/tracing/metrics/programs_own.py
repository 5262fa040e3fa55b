"""The meter provider that the program has installed in OpenTelemetry's API: its exporters, views and resource apply."""

from __future__ import annotations

import logging
import sys
from typing import Any

from devenv.tracing.active import SCHEMA_URL, SCOPE
from devenv.tracing.light.notices import warn_once
from devenv.tracing.metrics.instruments import Instrument, Values, attributes_of
from devenv.tracing.metrics.store import MOST_SERIES, Meter

_log = logging.getLogger(__name__)
_API = "opentelemetry.metrics._internal"


def programs_meter_provider() -> Any:
    """Return the provider that the program has installed, None without one; loads nothing."""
    return getattr(sys.modules.get(_API), "_METER_PROVIDER", None)


def hand_over(meter: Meter, provider: Any) -> None:
    """Let a meter record by the program's provider from now on, and say so once."""
    warn_once(
        _log,
        "the program has installed a meter provider, %s.%s: durations go to it, and its exporters, views and resource "
        "apply instead of devenv.tracing's",
        type(provider).__module__,
        type(provider).__qualname__,
    )
    made = provider.get_meter(SCOPE, schema_url=SCHEMA_URL)
    meter.replace(lambda instrument: ProgramsHistogram(made, instrument).record)


class ProgramsHistogram:
    """An instrument of the program's provider.

    Args:
        meter: The API's meter.
        instrument: What it is to be.
    """

    def __init__(self, meter: Any, instrument: Instrument) -> None:
        self._instrument = instrument
        described = {"unit": instrument.unit, "description": instrument.description}
        try:
            self._histogram = meter.create_histogram(
                instrument.name, explicit_bucket_boundaries_advisory=instrument.bounds, **described
            )
        except TypeError:  # before opentelemetry-api 1.30
            self._histogram = meter.create_histogram(instrument.name, **described)
        self._attributes: dict[Values, dict[str, Any]] = {}

    def record(self, values: Values, seconds: float) -> None:
        """Record a measurement."""
        attributes = self._attributes.get(values)
        if attributes is None:
            attributes = attributes_of(self._instrument, values)
            if len(self._attributes) < MOST_SERIES:
                self._attributes[values] = attributes
        self._histogram.record(seconds, attributes)
