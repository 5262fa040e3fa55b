"""The instruments, by the stable semantic conventions: names, units, attributes and advised bucket boundaries.

Sources: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ and
https://opentelemetry.io/docs/specs/semconv/db/database-metrics/.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Instrument(NamedTuple):
    """A histogram.

    Attributes:
        name: Its name.
        description: What it measures.
        unit: Unit by UCUM.
        keys: The keys of its attributes; a measurement has their values in this order.
        bounds: The upper bounds of its buckets, each of which belongs to its bucket.
    """

    name: str
    description: str
    unit: str
    keys: tuple[str, ...]
    bounds: tuple[float, ...]


Values = tuple[Any, ...]
"""The values of an instrument's attributes; None for an attribute that is not there."""
OVERFLOW: Values = ("otel.metric.overflow",)
"""Stands for all measurements whose attributes came after the limit."""

_HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_DATABASE_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)

HTTP_SERVER = Instrument(
    "http.server.request.duration",
    "Duration of HTTP server requests.",
    "s",
    (
        "http.request.method",
        "url.scheme",
        "http.response.status_code",
        "http.route",
        "network.protocol.version",
        "error.type",
    ),
    _HTTP_BOUNDS,
)
HTTP_CLIENT = Instrument(
    "http.client.request.duration",
    "Duration of HTTP client requests.",
    "s",
    (
        "http.request.method",
        "server.address",
        "server.port",
        "http.response.status_code",
        "network.protocol.version",
        "error.type",
    ),
    _HTTP_BOUNDS,
)
DATABASE = Instrument(
    "db.client.operation.duration",
    "Duration of database client operations.",
    "s",
    (
        "db.system.name",
        "db.operation.name",
        "db.collection.name",
        "db.namespace",
        "db.query.summary",
        "db.stored_procedure.name",
        "server.address",
        "server.port",
        "db.response.status_code",
        "error.type",
    ),
    _DATABASE_BOUNDS,
)


def attributes_of(instrument: Instrument, values: Values) -> dict[str, Any]:
    """Return the attributes of a measurement."""
    if values is OVERFLOW:
        return {OVERFLOW[0]: True}
    return {key: value for key, value in zip(instrument.keys, values) if value is not None}
