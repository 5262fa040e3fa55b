"""Chooses the engine that a command works on, and says why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devenv.app.derived_processes import derived_stack
from devenv.app.required_images import cannot_be_built_here, cannot_be_closed, needed_images
from devenv.errors import ConfigurationError, EngineUnavailable, EnvironmentFailure, ImageMissing, UsageError
from devenv.events import Notice
from devenv.immutable import immutable
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, identify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.app.invocation import Invocation
    from devenv.contract.answers import EngineInfo
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.identity import Project
    from devenv.model.stack import Stack

ENGINE_TIMEOUT = 1.0
"""Seconds that ``auto`` waits for an engine to respond."""

LOOK_TIMEOUT = 3.0
"""Seconds to look for the project on an engine that was not asked for; on a busy machine a connection takes a while."""

REGISTRY_TIMEOUT = 3.0
"""Seconds that ``auto`` waits for a registry, if the engine does not have the images."""

INIT_HINT = "to get a project that builds its images, run `devenv init DIR`"
"""Hint for a stack that :func:`devenv.app.required_images.cannot_be_built_here` refuses."""


@immutable()
class Choice:
    """An available engine.

    Attributes:
        engine: connected.
        reason: one line.
        unknown: says that the project may run on another engine, which does not respond; empty if it cannot.
    """

    engine: Engine
    reason: str
    unknown: str = ""


async def connect(name: str, project: Project, environ: Mapping[str, str]) -> Engine:
    """Connect to the engine ``name`` and check that it responds.

    Raises:
        EngineUnavailable: If it does not respond; the hint says what to do.
    """
    engine: Engine
    if name == "docker":
        from devenv.engine.docker import DockerEngine
        from devenv.engine.docker_address import find_address

        engine = DockerEngine(find_address(environ))
    elif name == "process":
        from devenv.engine.process import ProcessEngine

        engine = ProcessEngine(project, environ=environ)
    else:
        raise UsageError(f"engine {name} is not supported yet", hint="use --engine docker or --engine process")
    try:
        await engine.info()
    except BaseException:
        await engine.close()
        raise
    return engine


async def connect_every(invocation: Invocation, sink: Sink) -> list[Engine]:
    """Connect to every engine that runs projects: Docker, and the process engine of each directory where it does.

    ``--engine`` limits it to one of them.

    Raises:
        EngineUnavailable: If the requested engine does not respond; without a request, a notice says so.
    """
    asked, here = invocation.engine, identify(invocation.directory)
    if asked not in {"auto", "process"}:
        return [await connect(asked, here, invocation.environ)]
    from devenv.engine.process.projects import running_projects

    found: list[Engine] = []
    if asked == "auto":
        try:
            found.append(await asyncio.wait_for(connect("docker", here, invocation.environ), ENGINE_TIMEOUT))
        except (TimeoutError, EngineUnavailable) as error:
            why = error.message if isinstance(error, EngineUnavailable) else f"no answer within {ENGINE_TIMEOUT:g} s"
            sink(Notice(message=f"projects on Docker were not looked for: {why}"))
    for directory in await asyncio.to_thread(running_projects):
        found.append(await connect("process", identify(directory), invocation.environ))  # noqa: PERF401 - awaits
    return found


async def choose(invocation: Invocation, project: Project, *, stack: Stack | None, recorded: str | None) -> Choice:
    """Choose the engine: the requested one, else the one that the project runs on, else what ``auto`` finds.

    Raises:
        EngineUnavailable: If the requested engine, or the one that the project runs on, does not respond.
        UsageError: If the project runs on another engine than the requested one.
    """
    asked, name, unknown = invocation.engine, project.name, ""
    if recorded is None and (found := await _as_processes(project, invocation.environ)):
        recorded, name = "process", found  # its record was removed
    if recorded is None and asked == "process":
        found, unknown = await _on_docker(project, invocation.environ)
        if found:
            recorded, name = "docker", found
    if recorded is not None:
        if asked not in {"auto", recorded}:
            raise UsageError(
                f"{name} already runs on the {recorded} engine, not on {asked}",
                hint="run `devenv down` first, or remove --engine",
            )
        engine = await connect(recorded, project, invocation.environ)
        return Choice(engine, f"{recorded}: the project already runs on it")
    if asked == "docker" and stack is not None and (why := cannot_be_built_here(stack)):
        raise UsageError(why, hint=f"{INIT_HINT}; to run this stack as it is, use --engine process")
    if asked != "auto":
        engine = await connect(asked, project, invocation.environ)
        info = await engine.info()
        reason = f"{asked}: requested; {_available(info)}" if info.product else f"{asked}: requested"
        return Choice(engine, f"{reason}; {unknown}" if unknown else reason, unknown)
    return await _automatic(invocation, project, stack)


def _available(info: EngineInfo) -> str:
    """Say which program of which version answers, and where, if it is not the one that the engine's name says."""
    if not info.product:
        return f"version {info.version} is available"
    return f"{info.product} {info.version} is available at {info.address}"


async def other_engine(engine: Engine, project: Project, environ: Mapping[str, str]) -> Engine | None:
    """Connect to the engine on which the project's directory runs besides ``engine``; ``None`` if there is none.

    An engine that does not respond within :data:`LOOK_TIMEOUT` counts as none.
    """
    name = await other_name(engine, project, environ)
    return await connect(name, project, environ) if name else None


async def other_name(engine: Engine, project: Project, environ: Mapping[str, str]) -> str:
    """Return the name of what :func:`other_engine` connects to; empty if there is none."""
    if engine.capabilities.processes:
        return "docker" if (await _on_docker(project, environ))[0] else ""
    return "process" if await _as_processes(project, environ) else ""


async def engines_of(project: Project, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the engines on which the project's directory runs, found without its record.

    An engine that does not respond within :data:`LOOK_TIMEOUT` counts as none.
    """
    as_processes, (on_docker, _) = await asyncio.gather(_as_processes(project, environ), _on_docker(project, environ))
    return tuple(name for name, found in (("docker", on_docker), ("process", as_processes)) if found)


async def _as_processes(project: Project, environ: Mapping[str, str]) -> str:
    """Name of the project that the process engine runs in this directory, found without the record; else empty."""
    from devenv.engine.process import ProcessEngine

    return await _name_on(ProcessEngine(project, environ=environ), project)


async def _on_docker(project: Project, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the name of the project that runs on Docker in this directory, else empty; and :attr:`Choice.unknown`."""
    from devenv.engine.docker_address import find_address
    from devenv.engine.docker_presence import project_of

    try:
        async with asyncio.timeout(LOOK_TIMEOUT):
            if (socket := find_address(environ).socket_path) is not None:
                return _name(await project_of(socket, str(project.directory.resolve()))), ""
            engine = await connect("docker", project, environ)
            try:
                return await _name_on(engine, project), ""
            finally:
                await engine.close()
    except TimeoutError:
        return "", _unknown(LOOK_TIMEOUT)
    except (OSError, EnvironmentFailure, ConfigurationError):  # who cannot use Docker has nothing there
        return "", ""


def _unknown(seconds: float) -> str:
    return f"whether the project runs on Docker is not known: no response within {seconds:g} s"


async def _name_on(engine: Engine, project: Project) -> str:
    """Name of the project of which an engine has instances in this directory, else empty; ``down`` keeps volumes."""
    directory = str(project.directory.resolve())
    found = [i.labels for i in (await engine.observe(None)).instances if i.labels.get(LABEL_DIRECTORY) == directory]
    return _name(found[0].get(LABEL_PROJECT, project.id)) if found else ""


def _name(project_id: str) -> str:
    return project_id.rpartition("-")[0]


async def _automatic(invocation: Invocation, project: Project, stack: Stack | None) -> Choice:
    missing: tuple[str, ...] = ()
    unknown = ""
    try:
        engine = await asyncio.wait_for(connect("docker", project, invocation.environ), ENGINE_TIMEOUT)
    except TimeoutError:
        why = f"no Docker engine responded within {ENGINE_TIMEOUT:g} s"
        unknown = _unknown(ENGINE_TIMEOUT)
    except EngineUnavailable as error:
        why = error.message
    else:
        why, missing = await _why_not(engine, stack) if stack is not None else ("", ())
        if why and await _name_on(engine, project):  # its record was removed
            return Choice(engine, "docker: the project already runs on it")
        if not why:
            info = await engine.info()
            return Choice(engine, f"docker: {_available(info)}")
        await engine.close()
        why = f"a Docker engine is available, but {why}"
    engine = await connect("process", project, invocation.environ)
    if missing and stack is not None:
        _require_processes(engine, derived_stack(stack, invocation.environ), missing)
    return Choice(engine, f"process: {why}", unknown)


async def _why_not(engine: Engine, stack: Stack) -> tuple[str, tuple[str, ...]]:
    """Why a stack cannot run on an available engine, and the images that are missing; empty if it can."""
    if why := cannot_be_closed(stack):
        return why, ()
    if why := cannot_be_built_here(stack):
        return f"{why}; {INIT_HINT}", ()
    missing = await missing_images(engine, stack)
    return (_unavailable(missing) if missing else ""), missing


def _unavailable(images: tuple[str, ...]) -> str:
    return f"{', '.join(images)}: not available locally or from the registry"


def _require_processes(engine: Engine, stack: Stack, missing: tuple[str, ...]) -> None:
    """Raise for the missing images if the stack cannot run as processes instead: to start Docker would not help."""
    from devenv.orchestrate.telemetry.stand_in import replaced_services

    replaced = replaced_services(stack)
    for service in (item for item in stack.services.values() if item.name not in replaced):
        try:
            engine.check(service, stack)
        except ConfigurationError as error:
            image = missing[0]
            raise ImageMissing(
                _unavailable(missing),
                hint=f"run `docker pull {image}`, or pull it from a mirror and tag it as {image} with `docker tag`, "
                f"or add x-devenv.process to {service.name} and use `--engine process`",
                details={"images": list(missing), "process_engine": error.message},
            ) from error


async def missing_images(engine: Engine, stack: Stack) -> tuple[str, ...]:
    """Images that the stack needs (base images of its builds included) and that are not available."""

    async def is_available(reference: str) -> bool:
        if await engine.image_id(reference) is not None:
            return True
        try:
            return await asyncio.wait_for(engine.registry_has(reference), REGISTRY_TIMEOUT)
        except (TimeoutError, EnvironmentFailure):
            return False

    references = needed_images(stack)
    answers = await asyncio.gather(*(is_available(reference) for reference in references))
    return tuple(reference for reference, answer in zip(references, answers, strict=True) if not answer)
