"""Reads API v3's ``trace-summaries``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devenv.model.trace import TraceSummary


def parse_summary(summary: Mapping[str, Any]) -> TraceSummary:
    """Read one element of ``summaries``, which omits fields that are zero or empty.

    Raises:
        ValueError, KeyError, TypeError: If it is not a summary.
    """
    return TraceSummary(
        trace_id=summary["traceId"].lower(),
        root_service=summary.get("rootServiceName", ""),
        root_operation=summary.get("rootOperationName", ""),
        start_ns=int(summary.get("minStartTimeUnixNano", 0)),
        end_ns=int(summary.get("maxEndTimeUnixNano", 0)),
        spans=int(summary.get("spanCount", 0)),
        errors=int(summary.get("errorSpanCount", 0)),
        orphans=int(summary.get("orphanSpanCount", 0)),
        services=tuple(
            (item.get("name", ""), int(item.get("spanCount", 0)), int(item.get("errorSpanCount", 0)))
            for item in summary.get("services") or ()
        ),
    )
