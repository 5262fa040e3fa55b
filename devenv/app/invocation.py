"""The global options of every command: project directory, stack and engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devenv.model.identity import Project, identify

if TYPE_CHECKING:
    from devenv.model.stack import Stack

EngineChoice = Literal["auto", "docker", "process", "swarm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The global options.

    Attributes:
        directory: the project's, absolute.
        files: stack files given with ``-f``, in order; empty: found by the default rule.
        stack: name of a folder of ``stacks/``.
        engine: as requested.
        environ: the environment for interpolation and defaults.
    """

    directory: Path
    files: tuple[Path, ...] = ()
    stack: str | None = None
    engine: EngineChoice = "auto"
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStack:
    """A stack and the project that it belongs to; ``label`` names the stack in documents."""

    stack: Stack
    project: Project
    label: str


def read_stack(invocation: Invocation, services: tuple[str, ...] = ()) -> LoadedStack:
    """Find, parse and validate the stack; ``services`` activate their own profiles.

    Raises:
        StackFileError: If a file is not valid.
        UsageError: If there is no stack file, or no stack with that name.
    """
    from devenv.stack.discovery import discover
    from devenv.stack.loader import load_stack

    found = discover(invocation.directory, files=invocation.files, stack_name=invocation.stack)
    profiles = tuple(name for name in invocation.environ.get("COMPOSE_PROFILES", "").split(",") if name)
    stack = load_stack(found.files, environ=invocation.environ, profiles=profiles, services=services)
    label = invocation.stack or found.files[0].parent.name
    return LoadedStack(stack=stack, project=identify(invocation.directory, stack.name), label=label)
