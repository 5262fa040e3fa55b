"""The traces of a saved load run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation


@immutable(kw_only=True)
class RunTraces:
    """The trace IDs of a run's sampled requests in the order of the schedule, and its time in nanoseconds."""

    run_id: str
    trace_ids: list[str]
    start_ns: int
    end_ns: int


def traced_requests(invocation: Invocation, run: str) -> RunTraces:
    """Return the requests of a saved run (ID or name) that can have a trace.

    Raises:
        UnknownName: If no such run exists.
    """
    from devenv.load.rows import read_rows, sampled, trace_id
    from devenv.load.run_store import RunStore

    store = RunStore(invocation.directory / ".devenv" / "runs")
    record = store.record(run)
    rows = read_rows(store.rows_path(record.run_id))
    last = int(rows["end"].max()) if len(rows) else 0
    return RunTraces(
        run_id=record.run_id,
        trace_ids=[trace_id(row) for row in rows[sampled(rows)]],
        start_ns=record.started_ns,
        end_ns=record.started_ns + max(last, 1),
    )
