"""The rows file of a run as an array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devenv.disk import replace_file
from devenv.model.run import ROW_FIELDS, RequestError, RowFlag

ROW = np.dtype(list(ROW_FIELDS))

Rows = NDArray[np.void]


def read_rows(path: Path) -> Rows:
    """Return the rows of a run in the order of the schedule, without an incomplete row at the end."""
    whole = path.stat().st_size // ROW.itemsize if path.exists() else 0
    rows: Rows = np.fromfile(path, dtype=ROW, count=whole) if whole else np.empty(0, dtype=ROW)
    return rows[np.argsort(rows["number"], kind="stable")]


def write_rows(path: Path, rows: Rows) -> None:
    """Replace the rows file in one step, so that a reader sees either the old or the new one."""
    replace_file(path, np.ascontiguousarray(rows).view(np.uint8).data, durable=False)


def answered(rows: Rows) -> NDArray[np.bool_]:
    """Return which requests received a response, with any status."""
    result: NDArray[np.bool_] = rows["status"] > 0
    return result


def timed(rows: Rows) -> NDArray[np.bool_]:
    """Return which requests count for latencies: those with a response, and those that timed out."""
    result: NDArray[np.bool_] = answered(rows) | (rows["error"] == RequestError.TIMEOUT)
    return result


def sampled(rows: Rows) -> NDArray[np.bool_]:
    """Return which requests were sent with the sampled flag."""
    result: NDArray[np.bool_] = (rows["flags"] & RowFlag.SAMPLED) > 0
    return result


def trace_id(row: Any) -> str:
    """Return the trace ID of one row, in hex."""
    return bytes(row["trace_id"]).hex()
