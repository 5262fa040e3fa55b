"""A saved load run: one row per request, and the options."""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum, IntFlag

from devenv.immutable import immutable

ROW_FORMAT = "<qqqHBBBxxxI16s8s4x"
"""``struct`` format of a row: see :data:`ROW_FIELDS`; little-endian, 64 bytes."""

ROW_FIELDS: tuple[tuple[str, str], ...] = (
    ("intended", "<i8"),
    ("actual", "<i8"),
    ("end", "<i8"),
    ("status", "<u2"),
    ("error", "u1"),
    ("flags", "u1"),
    ("trace_class", "u1"),
    ("_pad", "V3"),
    ("number", "<u4"),
    ("trace_id", "V16"),
    ("span_id", "V8"),
    ("_tail", "V4"),
)
"""Names and numpy types of a row's fields; the times are nanoseconds since the start of the run, ``status`` the
HTTP status or 0, ``trace_class`` an index into :data:`devenv.model.trace.TRACE_CLASSES`, ``number`` the position in
the schedule. The file has the rows in order of completion."""


class RequestError(IntEnum):
    """How a request failed; :meth:`label` is the name in documents."""

    NONE = 0
    STATUS = 1
    TIMEOUT = 2
    REFUSED = 3
    RESET = 4
    CLOSED = 5
    RESOLVE = 6
    UNREACHABLE = 7
    PROTOCOL = 8
    TLS = 9
    CONNECT_TIMEOUT = 10
    CANCELLED = 11
    NO_SOCKET = 12  # on this machine: no descriptor or no local port was left

    def label(self, status: int = 0) -> str:
        """Name in ``errors`` of the run's document: ``http_503`` for an unexpected status, else the kind."""
        return f"http_{status}" if self is RequestError.STATUS else self.name.lower()


class RowFlag(IntFlag):
    """Bits of a row's ``flags``."""

    NONE = 0
    SAMPLED = 1
    RETRIED = 2


@immutable(kw_only=True)
class Threshold:
    """One ``--fail`` expression, taken apart.

    Attributes:
        expression: as the user wrote it.
        metric: ``p50`` … ``p999``, ``max``, ``errors``, ``traced``, ``rate``, ``dropped``; with a suffix ``_service``
            or ``_lag`` a latency is that of the service time or of the generator's lag.
        operator: one of ``< <= > >= == !=``.
        limit: in the unit of the metric: milliseconds, percent, requests per second, or a number.
    """

    expression: str
    metric: str
    operator: str
    limit: float


@immutable(kw_only=True)
class RunRecord:
    """What ``run.json`` keeps beside the run's document.

    Attributes:
        run_id: sorts by time of start.
        started_ns: wall time of the run's start, nanoseconds since the epoch; rows count from it.
        rows: number of rows in the rows file.
        options: the options of the run, JSON-serialisable.
    """

    run_id: str
    started_ns: int
    rows: int
    options: dict[str, object] = field(default_factory=dict)
