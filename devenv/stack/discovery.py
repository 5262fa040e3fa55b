"""Finds the stack files of a project without reading them; fast enough for every command."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from devenv.errors import ConfigurationError, Location, UnknownName, UsageError
from devenv.immutable import immutable
from devenv.suggestions import suggest

FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDE_NAMES = tuple(name.replace("compose.", "compose.override.") for name in FILE_NAMES)
_FOLDER = "stacks"
_SAMPLE = "sample"
_TEMPLATES = "templates"
Source = Literal["files", "directory", "stacks", "packaged"]


@immutable(kw_only=True)
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

    Without options: the Compose file of ``directory`` (with its override file) or of the nearest directory above it,
    else the only one in ``stacks/``, else ``stacks/sample``, else the sample that devenv ships.

    Args:
        directory: where the command runs: the project's directory, or one below it.
        files: the values of ``-f``, relative to ``directory``; if given, nothing else is searched.
        stack_name: a folder in ``stacks/``, of the project or shipped.

    Raises:
        UsageError: If ``files`` and ``stack_name`` are both given, or ``stacks/`` has no default.
        UnknownName: If no stack is called ``stack_name``.
        ConfigurationError: If a directory cannot be read.
    """
    if files and stack_name is not None:
        raise UsageError("-f and -s cannot be used together", hint="use -s for a folder in stacks/, or -f for a file")
    if files:
        paths = tuple((directory / path).absolute() for path in files)
        return Discovery(
            name=first_file(paths).parent.name or "stack", files=paths, directory=directory.resolve(), source="files"
        )
    project = find_project(directory.resolve())
    if stack_name is not None:
        return _named(project, stack_name)
    own = files_in(project)
    if own:
        return Discovery(name=project.name or "stack", files=own, directory=project, source="directory")
    return _default(project)


def list_stacks(directory: Path) -> tuple[Discovery, ...]:
    """Return all stacks: the directory's own, those in its ``stacks/``, and shipped ones with other names."""
    project = find_project(directory.resolve())
    own = files_in(project)
    found = [Discovery(name=project.name or "stack", files=own, directory=project, source="directory")] if own else []
    return (*found, *_in_folders(project).values())


def first_file(files: Sequence[Path]) -> Path:
    """Return the first of ``files`` that is one: the standard input (``-``) has the directory of the others."""
    return next((path for path in files if path.name != "-"), files[0])


def find_project(start: Path) -> Path:
    """Return the nearest directory with a Compose file, else with a stack in ``stacks/``, else ``start`` itself.

    It is ``start`` or a directory above it.

    Raises:
        ConfigurationError: If ``start`` cannot be read.
    """
    folders = (start, *start.parents)
    with_file = next((folder for folder in folders if _own_files(folder, start)), None)
    return with_file or next((folder for folder in folders if _has_stacks(folder, start)), start)


def passed_over(start: Path) -> Path | None:
    """Return the nearest Compose file above ``start`` that :func:`find_project` leaves out as another user's."""
    for folder in start.parents:
        for path in _readable_files(folder):
            if not is_trusted(path, start):
                return path
    return None


def is_trusted(path: Path, start: Path) -> bool:
    """Return whether a file above ``start`` may decide what a command in ``start`` does.

    Its owner is this user, root or the owner of ``start``: in a shared directory such as ``/tmp``, another user's file
    would choose what runs here.
    """
    try:
        return path.lstat().st_uid in {0, os.geteuid(), start.stat().st_uid}
    except OSError:
        return False


def _own_files(folder: Path, start: Path) -> tuple[Path, ...]:
    if folder == start:
        return files_in(folder)
    files = _readable_files(folder)
    return files if all(is_trusted(path, start) for path in files) else ()


def _has_stacks(folder: Path, start: Path) -> bool:
    stacks = folder / _FOLDER
    if folder == start:
        return any(files_in(child) for child in _children(stacks) if child != shipped_templates())
    return is_trusted(stacks, start) and any(_readable_files(child) for child in _readable_children(stacks))


def _readable_files(folder: Path) -> tuple[Path, ...]:
    """As :func:`files_in`, for a directory that no command depends on."""
    try:
        return files_in(folder)
    except ConfigurationError:
        return ()


def _readable_children(folder: Path) -> list[Path]:
    try:
        return _children(folder)
    except ConfigurationError:
        return []


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
        first = next((folder / name for name in FILE_NAMES if _is_present(folder / name)), None)
        override = next((folder / name for name in OVERRIDE_NAMES if _is_present(folder / name)), None)
    except PermissionError as error:
        raise _not_allowed(folder) from error
    return tuple(path for path in (first, override) if first is not None and path is not None)


def _is_present(path: Path) -> bool:
    """Whether ``path`` is there and not a directory; reading it reports anything else that is not a file."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _not_allowed(folder: Path) -> ConfigurationError:
    return ConfigurationError(
        "no permission to read this directory", location=Location(str(folder)), hint="check its owner and permissions"
    )
