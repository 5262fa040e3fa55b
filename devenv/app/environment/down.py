"""``devenv down``: remove the project's resources and check that none are left, without the stack file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devenv.app.engines import choose, connect_every, other_engine
from devenv.app.invocation import read_stack_in_background
from devenv.app.record import forget_record, read_record
from devenv.app.server_data import remove_server_data
from devenv.errors import ConfigurationError, EngineRefused, EngineUnavailable, EnvironmentFailure, UsageError
from devenv.events import Notice
from devenv.model.down_document import DownDocument, KeptDocument, RemovedDocument
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, Project, identify

if TYPE_CHECKING:
    from devenv.app.engines import Choice
    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.orchestrate.down import DownOptions, DownResult

LOCK_WAIT = 60.0


async def down(invocation: Invocation, options: DownOptions, *, clock: Clock, sink: Sink) -> DownDocument:
    """Take down the projects of this directory, whatever their names were when they were started.

    Without ``--engine``, that is on both engines: one may have been started while the other did not respond.

    Raises:
        EngineUnavailable: If the engine that the project runs on does not respond.
    """
    from devenv.orchestrate.down import take_down
    from devenv.orchestrate.lock import project_lock

    started = clock.monotonic()
    choice, named = await _found(invocation)
    engine = choice.engine
    engines = [engine]
    results = []
    removed: list[str] = []
    kept: list[str] = []
    if choice.unknown:
        sink(Notice(message=choice.unknown, warning=True))
    try:
        if invocation.engine == "auto" and (second := await other_engine(engine, named, invocation.environ)):
            engines.append(second)
            sink(Notice(message=f"{named.name} runs on the {engine.name} engine and on the {second.name} engine"))
        async with project_lock(named, "down", wait=LOCK_WAIT, clock=clock, sink=sink):
            for each in engines:
                for project in await _of_directory(each, named):
                    results.append(await take_down(each, project, options, clock=clock, sink=sink))  # noqa: PERF401 - awaits
            if not options.services and not any(result.left for result in results):
                forget_record(invocation.directory)
                removed, kept = remove_server_data(invocation.directory, volumes=options.volumes)
    finally:
        for each in engines:
            await each.close()
    document = _document(named.id, results, (clock.monotonic() - started) * 1000)
    document.removed.volumes.extend(removed)
    document.kept.volumes.extend(kept)
    return document


async def down_all(invocation: Invocation, options: DownOptions, *, clock: Clock, sink: Sink) -> DownDocument:
    """Take down every project with devenv's labels on every engine, of any directory.

    Raises:
        EngineUnavailable: If the engine that was requested does not respond.
        EngineRefused: If something cannot be removed; all other projects are.
    """
    from devenv.orchestrate.down import all_of, take_down

    started = clock.monotonic()
    engines = await connect_every(invocation, sink)
    results: list[DownResult] = []
    refusals: list[EngineRefused] = []
    try:
        for engine in engines:
            for project in await _projects(engine):
                try:
                    results.append(await take_down(engine, project, options, clock=clock, sink=sink))
                except EngineRefused as error:
                    refusals.append(error)
                    continue
                try:
                    forget_record(project.directory)
                    remove_server_data(project.directory, volumes=options.volumes)
                except EnvironmentFailure as error:  # it is only a cache, and may be another user's
                    sink(Notice(message=error.message, warning=True))
    finally:
        for engine in engines:
            await engine.close()
    if refusals:
        raise all_of(refusals)
    return _document("*", results, (clock.monotonic() - started) * 1000)


async def _projects(engine: Engine) -> list[Project]:
    """The projects of which an engine has anything, by the labels of their objects."""
    labels = (await engine.observe(None)).all_labels
    ids = {(label[LABEL_PROJECT], label.get(LABEL_DIRECTORY) or "/") for label in labels if LABEL_PROJECT in label}
    return [_project(project_id, Path(directory)) for project_id, directory in sorted(ids)]


async def _found(invocation: Invocation) -> tuple[Choice, Project]:
    """The engine that the project runs on, and the project by its record, else by the stack file's name."""
    record = read_record(invocation.directory)
    provisional = record.project(invocation.directory) if record else await _named(invocation)
    try:
        choice = await choose(invocation, provisional, stack=None, recorded=record.engine if record else None)
    except EngineUnavailable as error:
        if record is not None:
            raise EngineUnavailable(
                f"{record.name} runs on the {record.engine} engine, which does not respond: {error.message}",
                hint="start the engine and run `devenv down` again; nothing was removed",
            ) from error
        raise
    return choice, provisional


async def _of_directory(engine: Engine, named: Project) -> list[Project]:
    """``named``, and the projects of its directory on an engine that have another name, by their labels."""
    directory = str(named.directory.resolve())
    everything = await engine.observe(None)
    ids = {label[LABEL_PROJECT] for label in everything.all_labels if label.get(LABEL_DIRECTORY) == directory}
    return [named, *(_project(item, named.directory) for item in sorted(ids - {named.id}))]


async def _named(invocation: Invocation) -> Project:
    """Identity by the stack file if it can be read; nothing else needs it."""
    try:
        return (await read_stack_in_background(invocation)).project
    except (ConfigurationError, UsageError):
        return identify(invocation.directory)


def _project(project_id: str, directory: Path) -> Project:
    return Project(directory=directory, name=project_id.rpartition("-")[0], id=project_id)


def _document(project_id: str, results: list[DownResult], elapsed_ms: float) -> DownDocument:
    def names(kind: str) -> list[str]:
        return [name for result in results for name in result.removed.get(kind, ())]

    return DownDocument(
        project=project_id,
        removed=RemovedDocument(
            containers=names("containers"),
            networks=names("networks"),
            volumes=names("volumes"),
            processes=names("processes"),
        ),
        kept=KeptDocument(volumes=[name for result in results for name in result.kept_volumes]),
        left=[name for result in results for name in result.left],
        elapsed_ms=round(elapsed_ms, 1),
    )
