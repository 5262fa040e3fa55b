"""Finds the stack files of a project without reading them; fast enough for every command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devenv.errors import ConfigurationError, Location, UnknownName, UsageError
from devenv.suggestions import suggest

FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDE_NAMES = tuple(name.replace("compose.", "compose.override.") for name in FILE_NAMES)
_FOLDER = "stacks"
_SAMPLE = "sample"
_TEMPLATES = "templates"
Source = Literal["files", "directory", "stacks", "packaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """A stack found by :func:`discover`.

    Attributes:
        name: its name for ``-s``; the directory's name if it is not in ``stacks/``.
        files: absolute paths, in the order in which they are merged.
        directory: the project's, which has the identity and ``.devenv/``; not necessarily where the files are.
        source: given with ``-f``, in the directory itself, in its ``stacks/``, or shipped with devenv.
    """

    name: str
    files: tuple[Path, ...]
    directory: Path
    source: Source


def discover(directory: Path, *, files: Sequence[Path] = (), stack_name: str | None = None) -> Discovery:
    """Return the stack of a command in ``directory``.

    Without options: the Compose file of ``directory`` (with its override file), else the only one in ``stacks/``, else
    ``stacks/sample``, else the sample that devenv ships.

    Args:
        directory: the project's.
        files: the values of ``-f``, relative to ``directory``; if given, nothing else is searched.
        stack_name: a folder in ``stacks/``, of the project or shipped.

    Raises:
        UsageError: If ``files`` and ``stack_name`` are both given, or ``stacks/`` has no default.
        UnknownName: If no stack is called ``stack_name``.
        ConfigurationError: If a directory cannot be read.
    """
    project = directory.resolve()
    if files and stack_name is not None:
        raise UsageError("-f and -s cannot be used together", hint="use -s for a folder in stacks/, or -f for a file")
    if files:
        paths = tuple((directory / path).absolute() for path in files)
        return Discovery(name=paths[0].parent.name or "stack", files=paths, directory=project, source="files")
    if stack_name is not None:
        return _named(project, stack_name)
    own = files_in(project)
    if own:
        return Discovery(name=project.name or "stack", files=own, directory=project, source="directory")
    return _default(project)


def list_stacks(directory: Path) -> tuple[Discovery, ...]:
    """Return all stacks: the directory's own, those in its ``stacks/``, and shipped ones with other names."""
    project = directory.resolve()
    own = files_in(project)
    found = [Discovery(name=project.name or "stack", files=own, directory=project, source="directory")] if own else []
    return (*found, *_in_folders(project).values())


def _default(project: Path) -> Discovery:
    stacks = _in_folders(project)
    local = [stack for stack in stacks.values() if stack.source == "stacks"]
    if len(local) == 1:
        return local[0]
    if _SAMPLE in stacks and (not local or stacks[_SAMPLE].source == "stacks"):
        return stacks[_SAMPLE]
    if local:
        names = ", ".join(stack.name for stack in local)
        raise UsageError(
            f"{project / _FOLDER} has several stacks and no default: {names}", hint="choose one with -s NAME"
        )
    raise UsageError(
        f"no stack file in {project}",
        hint=f"create a {FILE_NAMES[0]} (`devenv init`), or pass a file with -f",
        details={"looked_for": FILE_NAMES},
    )


def _named(project: Path, name: str) -> Discovery:
    stacks = _in_folders(project)
    if name in stacks:
        return stacks[name]
    known = ", ".join(stacks) or "none"
    raise UnknownName(
        f"no stack {name!r}; available: {known}",
        hint=suggest(name, stacks) or "run `devenv stacks`",
        details={"name": name, "known": list(stacks)},
    )


def _in_folders(project: Path) -> dict[str, Discovery]:
    """Stacks by name: the project's, then the shipped ones."""
    found: dict[str, Discovery] = {}
    places: tuple[tuple[Path, Source], ...] = ((project / _FOLDER, "stacks"), (shipped_stacks(), "packaged"))
    for folder, source in places:
        for child in _children(folder):
            if child == shipped_templates():
                continue
            files = files_in(child)
            if files and child.name not in found:
                found[child.name] = Discovery(name=child.name, files=files, directory=project, source=source)
    return found


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except PermissionError as error:
        raise _not_allowed(folder) from error


def shipped_stacks() -> Path:
    """Return the folder of the shipped stacks, in an installed wheel or in the repository."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_stacks"
    return packaged if packaged.is_dir() else package.parent / _FOLDER


def shipped_templates() -> Path:
    """Return the folder of the templates for scaffolds, in that of the shipped stacks; it is not a stack."""
    return shipped_stacks() / _TEMPLATES


def files_in(folder: Path) -> tuple[Path, ...]:
    """Return the Compose file of ``folder`` and its override file, or nothing if there is no Compose file."""
    try:
        first = next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
        override = next((folder / name for name in OVERRIDE_NAMES if (folder / name).is_file()), None)
    except PermissionError as error:
        raise _not_allowed(folder) from error
    return tuple(path for path in (first, override) if first is not None and path is not None)


def _not_allowed(folder: Path) -> ConfigurationError:
    return ConfigurationError(
        "no permission to read this directory", location=Location(str(folder)), hint="check its owner and permissions"
    )
