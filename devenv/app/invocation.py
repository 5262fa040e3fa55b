"""The global options of every command: project directory, stack and engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devenv.errors import Location, StackFileError
from devenv.immutable import immutable
from devenv.model.identity import Project, identify

if TYPE_CHECKING:
    from devenv.model.stack import Stack
    from devenv.stack.discovery import Discovery
    from devenv.stack.env.interpolation import Variable

EngineChoice = Literal["auto", "docker", "process", "swarm"]


@immutable(kw_only=True)
class Invocation:
    """The global options.

    Attributes:
        directory: the project's, absolute: its identity and ``.devenv/``.
        working_directory: where the command runs, if that and its ``.env`` count, as they do not with ``-f``.
        files: stack files given with ``-f`` or ``COMPOSE_FILE``, in order; empty: found by the default rule.
        settings: the variables of Compose by which ``files`` and ``directory`` were found.
        stack: name of a folder of ``stacks/``.
        engine: as requested.
        environ: the environment for interpolation and defaults.
        profiles: active profiles; empty: those of ``COMPOSE_PROFILES``.
        texts: contents of ``files`` that are not on disk, such as that of the standard input.
    """

    directory: Path
    working_directory: Path | None = None
    files: tuple[Path, ...] = ()
    settings: Mapping[str, Variable] = field(default_factory=dict)
    stack: str | None = None
    engine: EngineChoice = "auto"
    environ: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    texts: Mapping[Path, str] = field(default_factory=dict)

    @property
    def start(self) -> Path:
        """Where the command runs; new files of the user's are created relative to it."""
        return self.working_directory or self.directory


@immutable(kw_only=True)
class LoadedStack:
    """A stack and its project.

    Attributes:
        stack: with absolute paths.
        project: its directory is where the stack was found.
        label: names the stack in documents.
        notice: says what a user may not expect about the choice of the stack; empty if nothing.
    """

    stack: Stack
    project: Project
    label: str
    notice: str = ""


def read_stack(invocation: Invocation, services: tuple[str, ...] = ()) -> LoadedStack:
    """Find, parse and validate the stack; ``services`` activate their own profiles.

    Raises:
        StackFileError: If a file is not valid.
        UsageError: If there is no stack file, or no stack with that name.
    """
    found = find_stack(invocation)
    return _loaded(invocation, found, load_found(invocation, found, services=services))


async def read_stack_in_background(invocation: Invocation, services: tuple[str, ...] = ()) -> LoadedStack:
    """Return the same as :func:`read_stack`; cancelling it does not wait for a file system that does not respond.

    Raises:
        StackFileError: If a file is not valid.
        UsageError: If there is no stack file, or no stack with that name.
    """
    from devenv.traces.background import in_background

    return await in_background(lambda: read_stack(invocation, services))


def read_stack_and_origins(invocation: Invocation) -> tuple[LoadedStack, dict[str, str]]:
    """Return the same as :func:`read_stack`, and where each value comes from, by key; each file is read once.

    Raises:
        StackFileError: If a file is not valid.
        UsageError: If there is no stack file, or no stack with that name.
    """
    from devenv.stack.loader import load_stack_and_origins

    found = find_stack(invocation)
    stack, origins = load_stack_and_origins(
        found.files,
        environ=invocation.environ,
        profiles=invocation.profiles,
        texts=invocation.texts,
        working_directory=env_directory(invocation, found),
    )
    chosen = {name: f"{variable.origin} ({variable.value})" for name, variable in invocation.settings.items()}
    return _loaded(invocation, found, stack), chosen | origins


def _loaded(invocation: Invocation, found: Discovery, stack: Stack) -> LoadedStack:
    return LoadedStack(
        stack=stack,
        project=identify(found.directory, stack.name),
        label=invocation.stack or found.files[0].parent.name,
        notice=_about_choice(invocation, found),
    )


def find_stack(invocation: Invocation) -> Discovery:
    """Return the stack that ``invocation`` chooses.

    Raises:
        UsageError: If there is no stack file, or no default in ``stacks/``.
        UnknownName: If there is no stack of that name.
        StackFileError: If a file that ``COMPOSE_FILE`` names does not exist.
    """
    from devenv.stack.discovery import discover

    for name, variable in invocation.settings.items():
        missing = next((path for path in invocation.files if path not in invocation.texts and not path.exists()), None)
        if missing is not None:
            raise StackFileError(
                "no such file", location=Location(str(missing)), hint=f"correct {name}, set by {variable.origin}"
            )
    base = invocation.directory if invocation.files else invocation.start
    return discover(base, files=invocation.files, stack_name=invocation.stack)


def load_found(
    invocation: Invocation, found: Discovery, *, services: tuple[str, ...] = (), texts: Mapping[Path, str] | None = None
) -> Stack:
    """Load the stack ``found``, with ``texts`` in place of the contents of some of its files.

    Raises:
        StackFileError: If a file is not valid.
    """
    from devenv.stack.loader import load_stack

    return load_stack(
        found.files,
        environ=invocation.environ,
        profiles=invocation.profiles,
        services=services,
        texts={**invocation.texts, **(texts or {})},
        working_directory=env_directory(invocation, found),
    )


def env_directory(invocation: Invocation, found: Discovery) -> Path | None:
    """Return the directory whose ``.env`` is read before that next to the stack file, as in Compose."""
    return invocation.working_directory if found.source in {"files", "directory"} else None


def _about_choice(invocation: Invocation, found: Discovery) -> str:
    """What the first line of a command says about the choice of the stack."""
    from devenv.stack.discovery import passed_over

    if found.source == "packaged" and invocation.stack is None:
        foreign = passed_over(found.directory)
        besides = f" ({foreign} belongs to another user)" if foreign else ""
        return f"no stack file in {found.directory} or above it{besides}: using the shipped sample (-s {found.name})"
    if found.directory != invocation.start and found.source != "files":
        return f"using the project above, in {found.directory}"
    if invocation.settings:
        return f"using {', '.join(str(path) for path in found.files)} (COMPOSE_FILE)"
    return ""
