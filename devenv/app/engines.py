"""Which engine a command works on, and why: the rule of the design for ``--engine auto``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.app.required_images import cannot_be_built_here, needed_images
from devenv.errors import EngineUnavailable, EnvironmentFailure, UsageError
from devenv.model.identity import identify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.app.invocation import Invocation
    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.stack import Stack

ENGINE_TIMEOUT = 1.0
"""Seconds within which an engine has to answer to be taken by ``auto``."""

REGISTRY_TIMEOUT = 3.0
"""Seconds within which a registry has to answer for the images that the engine lacks."""

INIT_HINT = "devenv init DIR makes a project of it that does"
"""What to do about a stack that :func:`devenv.app.required_images.cannot_be_built_here` is about."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that answered, and one line that says why it was taken."""

    engine: Engine
    reason: str


async def connect(name: str, project: Project, environ: Mapping[str, str]) -> Engine:
    """Connect to the engine ``name`` and make sure that it answers.

    Raises:
        EngineUnavailable: none answers; the hint says what to do.
    """
    engine: Engine
    if name == "docker":
        from devenv.engine.docker import DockerEngine
        from devenv.engine.docker.address import find_address

        engine = DockerEngine(find_address(environ))
    elif name == "process":
        from devenv.engine.process import ProcessEngine

        engine = ProcessEngine(project, environ=environ)
    else:
        raise UsageError(f"engine {name} is not built yet", hint="use --engine docker")
    try:
        await engine.info()
    except BaseException:
        await engine.close()
        raise
    return engine


async def connect_shared(invocation: Invocation) -> Engine:
    """Connect to the engine that serves all directories of this machine, for commands without a project.

    Raises:
        EngineUnavailable: If it does not answer.
    """
    name = "docker" if invocation.engine == "auto" else invocation.engine
    return await connect(name, identify(invocation.directory), invocation.environ)


async def choose(invocation: Invocation, project: Project, *, stack: Stack | None, recorded: str | None) -> Choice:
    """Take the engine that was asked for, else the one that the project is up on, else what ``auto`` finds.

    Raises:
        EngineUnavailable: the engine that was asked for, or that the project is up on, does not answer.
        UsageError: the project is up on another engine than the one asked for.
    """
    asked = invocation.engine
    if recorded is not None:
        if asked not in {"auto", recorded}:
            raise UsageError(
                f"{project.name} is up on the {recorded} engine, and --engine {asked} was asked for",
                hint="run devenv down first, or leave --engine out",
            )
        engine = await connect(recorded, project, invocation.environ)
        return Choice(engine, f"{recorded}: the project is up on it")
    if asked == "docker" and stack is not None and (why := cannot_be_built_here(stack)):
        raise UsageError(why, hint=f"{INIT_HINT}; --engine process runs this one as it is")
    if asked != "auto":
        return Choice(await connect(asked, project, invocation.environ), f"{asked}: asked for")
    return await _automatic(invocation, project, stack)


async def _automatic(invocation: Invocation, project: Project, stack: Stack | None) -> Choice:
    try:
        engine = await asyncio.wait_for(connect("docker", project, invocation.environ), ENGINE_TIMEOUT)
    except TimeoutError:
        why = f"no Docker engine answered within {ENGINE_TIMEOUT:g} s"
    except EngineUnavailable as error:
        why = f"no Docker engine: {error.message}"
    else:
        why = await _why_not(engine, stack) if stack is not None else ""
        if not why:
            info = await engine.info()
            return Choice(engine, f"docker: engine {info.version} answers")
        await engine.close()
        why = f"a Docker engine answers, but {why}"
    return Choice(await connect("process", project, invocation.environ), f"process: {why}")


async def _why_not(engine: Engine, stack: Stack) -> str:
    """Why a stack cannot run on an engine that answers; empty where it can."""
    if why := cannot_be_built_here(stack):
        return f"{why}: {INIT_HINT}"
    lacking = await lacking_images(engine, stack)
    return f"{', '.join(lacking)} cannot be had (not there, registry does not answer)" if lacking else ""


async def lacking_images(engine: Engine, stack: Stack) -> tuple[str, ...]:
    """Images that the stack needs (bases of what it builds included) and that can neither be found nor fetched."""

    async def can_be_had(reference: str) -> bool:
        if await engine.image_id(reference) is not None:
            return True
        try:
            return await asyncio.wait_for(engine.registry_has(reference), REGISTRY_TIMEOUT)
        except (TimeoutError, EnvironmentFailure):
            return False

    references = needed_images(stack)
    answers = await asyncio.gather(*(can_be_had(reference) for reference in references))
    return tuple(reference for reference, answer in zip(references, answers, strict=True) if not answer)
