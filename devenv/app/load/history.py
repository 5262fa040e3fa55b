"""``devenv runs``: the saved load runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import UnknownName

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation
    from devenv.load.run_store import RunStore
    from devenv.model.listings import RunsDocument
    from devenv.model.load_documents import LoadDocument


def store(invocation: Invocation) -> RunStore:
    """The runs of this project."""
    from devenv.load.run_store import RunStore

    return RunStore(invocation.directory / ".devenv" / "runs")


def list_runs(invocation: Invocation) -> list[LoadDocument]:
    """All saved runs, newest first."""
    return store(invocation).list()


def show_run(invocation: Invocation, run_id: str | None) -> LoadDocument:
    """A run by ID or name; ``None``: the last one.

    Raises:
        UnknownName: If no run has that ID or name.
    """
    if run_id is not None:
        return store(invocation).document(run_id)
    latest = store(invocation).latest()
    if latest is None:
        raise UnknownName("no saved runs", hint="start one with `devenv load`")
    return latest


def listing(invocation: Invocation) -> RunsDocument:
    """The saved runs, newest first, as a document."""
    from devenv.model.listings import RunPart, RunsDocument

    return RunsDocument(
        runs=[
            RunPart(
                run_id=run.run_id,
                name=run.name,
                started_at=run.started_at,
                scenario=run.scenario,
                rps=run.target_rps,
                sent=run.sent,
                failed=sum(run.errors.values()),
                p50_ms=run.response_ms.p50,
                p99_ms=run.response_ms.p99,
                complete=run.traces.complete,
                valid=run.valid,
            )
            for run in list_runs(invocation)
        ]
    )
