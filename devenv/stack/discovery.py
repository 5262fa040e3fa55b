"""Finds the stack files of a project, without reading them: quick enough for every command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devenv.errors import ConfigurationError, Location, UnknownName, UsageError

FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDE_NAMES = tuple(name.replace("compose.", "compose.override.") for name in FILE_NAMES)
_FOLDER = "stacks"
_SAMPLE = "sample"
_TEMPLATES = "templates"
Source = Literal["files", "directory", "stacks", "packaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """A stack that was found.

    Attributes:
        name: what ``-s`` calls it; the directory's name where it is not in ``stacks/``.
        files: absolute, in the order in which they are merged.
        directory: of the project: where identity and ``.devenv/`` belong, not necessarily where the files are.
        source: named by ``-f``, in the directory itself, in its ``stacks/``, or shipped with devenv.
    """

    name: str
    files: tuple[Path, ...]
    directory: Path
    source: Source


def discover(directory: Path, *, files: Sequence[Path] = (), stack_name: str | None = None) -> Discovery:
    """The stack that a command in ``directory`` means.

    Without options: the Compose file of ``directory`` (with its override file), else the only one in ``stacks/``, else
    ``stacks/sample``, else the sample that devenv ships.

    Args:
        directory: the project's.
        files: as ``-f`` names them, relative to ``directory``; nothing else is looked for then.
        stack_name: a folder of ``stacks/``, in the project or shipped.

    Raises:
        UsageError: ``files`` and ``stack_name`` are both given, or the stacks in ``stacks/`` leave no default.
        UnknownName: there is no stack called ``stack_name``.
        ConfigurationError: a directory may not be looked into.
    """
    project = directory.resolve()
    if files and stack_name is not None:
        raise UsageError("-f and -s exclude each other", hint="-s names a folder of stacks/, -f a file")
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
    """All that can run: the directory's own stack, those of its ``stacks/``, and shipped ones of other names."""
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
            f"several stacks and no default in {project / _FOLDER}: {names}", hint="choose one with -s NAME"
        )
    raise UsageError(
        f"no stack file in {project}",
        hint=f"write a {FILE_NAMES[0]}, or name a file with -f",
        details={"looked_for": FILE_NAMES},
    )


def _named(project: Path, name: str) -> Discovery:
    stacks = _in_folders(project)
    if name in stacks:
        return stacks[name]
    nearest = difflib.get_close_matches(name, stacks, n=1)
    known = ", ".join(stacks) or "none"
    raise UnknownName(
        f"no stack {name!r}; there are: {known}",
        hint=f"did you mean {nearest[0]!r}?" if nearest else "see `devenv stacks`",
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
    """The stacks that came with devenv: inside an installed wheel, or the repository's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_stacks"
    return packaged if packaged.is_dir() else package.parent / _FOLDER


def shipped_templates() -> Path:
    """What scaffolds are made of, beside the shipped stacks; no stack itself."""
    return shipped_stacks() / _TEMPLATES


def files_in(folder: Path) -> tuple[Path, ...]:
    """The Compose file of ``folder`` and its override file; empty where there is none."""
    try:
        first = next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
        override = next((folder / name for name in OVERRIDE_NAMES if (folder / name).is_file()), None)
    except PermissionError as error:
        raise _not_allowed(folder) from error
    return tuple(path for path in (first, override) if first is not None and path is not None)


def _not_allowed(folder: Path) -> ConfigurationError:
    return ConfigurationError(
        "no permission to look into this directory", location=Location(str(folder)), hint="check its owner and mode"
    )
