"""Opens a running project for a command: its identity, engine, observed state and record."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from devenv.app.engines import choose
from devenv.app.record import Record, read_record
from devenv.errors import NotUp
from devenv.immutable import immutable
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, LABEL_ROLE, LABEL_STACK, Project, identify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from devenv.app.invocation import Invocation
    from devenv.contract.engine import Engine
    from devenv.model.state import ObservedState


@immutable(kw_only=True)
class Running:
    """A running project, as the engine reports it."""

    project: Project
    engine: Engine
    observed: ObservedState
    record: Record


@asynccontextmanager
async def running(invocation: Invocation) -> AsyncIterator[Running]:
    """Open the project of this directory, found by its record or else by its labels; the stack file is not read.

    Raises:
        NotUp: If the project is not running.
        EngineUnavailable: If the engine that it runs on does not respond.
    """
    record = read_record(invocation.directory)
    provisional = record.project(invocation.directory) if record else identify(invocation.directory)
    recorded = record.engine if record else None
    choice = await choose(invocation, provisional, stack=None, recorded=recorded)
    try:
        record = record or await _from_labels(choice.engine, invocation)
        if record is None:
            raise not_up(provisional, choice.unknown)
        project = record.project(invocation.directory)
        observed = await choice.engine.observe(project)
        if not observed.instances:
            raise not_up(project, choice.unknown)
        yield Running(
            project=project,
            engine=choice.engine,
            observed=observed,
            record=record,
        )
    finally:
        await choice.engine.close()


async def _from_labels(engine: Engine, invocation: Invocation) -> Record | None:
    """Restore the record from the labels of this directory's objects."""
    directory = str(invocation.directory.resolve())
    everything = await engine.observe(None)
    for labels in everything.all_labels:
        if labels.get(LABEL_DIRECTORY) != directory:
            continue
        project_id = labels[LABEL_PROJECT]
        return Record(
            id=project_id,
            name=project_id.rpartition("-")[0],
            stack=labels.get(LABEL_STACK, ""),
            engine=engine.name,
            entrypoint=_with_role(everything, directory, "entrypoint"),
            trace_backend=_with_role(everything, directory, "trace-backend"),
        )
    return None


def _with_role(state: ObservedState, directory: str, role: str) -> str | None:
    for instance in state.instances:
        roles = instance.labels.get(LABEL_ROLE, "").split(",")
        if role in roles and instance.labels.get(LABEL_DIRECTORY) == directory:
            return instance.service
    return None


def not_up(project: Project, unknown: str = "") -> NotUp:
    """The error of commands that need a running project; ``unknown`` says that it may run all the same."""
    hint = f"{unknown}; if it does not, run `devenv up` first" if unknown else "run `devenv up` first"
    return NotUp(f"{project.name} is not running", hint=hint, details={"project": project.id})
