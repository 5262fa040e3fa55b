"""Finds the project of a command: upwards from its directory, or by ``COMPOSE_FILE``, as Compose does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from devenv.disk import read_regular_file
from devenv.errors import ConfigurationError
from devenv.immutable import immutable
from devenv.stack.discovery import find_project, first_file, is_trusted
from devenv.stack.env.interpolation import Lookup, Variable, lookup_in

FILE_VARIABLE = "COMPOSE_FILE"
SEPARATOR_VARIABLE = "COMPOSE_PATH_SEPARATOR"
_RECORD = Path(".devenv") / "project.json"
_ENV_FILES = "COMPOSE_ENV_FILES"
_MAXIMUM_BYTES = 8 * 1024 * 1024


@immutable(kw_only=True)
class ProjectLocation:
    """Where the project of a command is.

    Attributes:
        directory: the project's, absolute.
        files: the stack files of ``COMPOSE_FILE``, absolute; empty if it is not set.
        settings: ``COMPOSE_FILE`` and ``COMPOSE_PATH_SEPARATOR`` with their origins, if they are set and in use.
        standard_input: which of ``files`` is not a file but the standard input, for which ``-`` stands.
    """

    directory: Path
    files: tuple[Path, ...] = ()
    settings: Mapping[str, Variable] = field(default_factory=dict)
    standard_input: Path | None = None


def locate(start: Path, environ: Mapping[str, str], *, stack_name: str | None = None) -> ProjectLocation:
    """Return the location of the project of a command in ``start``; no stack file is read.

    With ``COMPOSE_FILE`` (of the environment or the ``.env`` of ``start``): the directory of its first file. Else the
    nearest directory, from ``start`` upwards, with a Compose file or with the record of a project that is up; else the
    nearest with a stack in ``stacks/``; else ``start``.

    Args:
        start: where the command runs, absolute.
        environ: the command's environment.
        stack_name: value of ``-s``, which takes precedence over ``COMPOSE_FILE``.
    """
    lookup = _settings(start, environ)
    named = lookup(FILE_VARIABLE)
    if stack_name is None and named is not None and named.value:
        separator = lookup(SEPARATOR_VARIABLE)
        given = separator is not None and bool(separator.value)
        files = named.value.split(separator.value if separator is not None and given else os.pathsep)
        paths = tuple(Path(os.path.normpath(start / name)) for name in files)
        settings = {FILE_VARIABLE: named}
        if separator is not None and given:
            settings[SEPARATOR_VARIABLE] = separator
        return ProjectLocation(
            directory=first_file(paths).parent.resolve(),
            files=paths,
            settings=settings,
            standard_input=start / "-" if "-" in files else None,
        )
    return ProjectLocation(directory=_directory(start))


def _directory(start: Path) -> Path:
    try:
        project = find_project(start)
    except ConfigurationError:  # commands that read the stack file report it
        return start
    for folder in (start, *start.parents):
        if folder == project and project != start:
            break
        if _has_record(folder, start):
            return folder
    return project


def _has_record(folder: Path, start: Path) -> bool:
    record = folder / _RECORD
    try:
        return record.is_file() and (folder == start or is_trusted(record, start))
    except OSError:
        return False


def _settings(start: Path, environ: Mapping[str, str]) -> Lookup:
    """Look variables up in the environment, then in the ``.env`` files of ``start`` if they mention any of them.

    What is wrong with these files is reported by the commands that read the stack.
    """
    if FILE_VARIABLE in environ and SEPARATOR_VARIABLE in environ:
        return lookup_in(environ)
    names = [name for name in environ.get(_ENV_FILES, "").split(",") if name] or [".env"]
    if not any(_mentions(start / name) for name in names):
        return lookup_in(environ)
    from devenv.stack.env.project import read_variables
    from devenv.stack.problems import Problems

    return read_variables(environ, Problems(), working=start, directories=(start,))


def _mentions(path: Path) -> bool:
    try:
        return b"COMPOSE_" in read_regular_file(path, _MAXIMUM_BYTES)
    except OSError:
        return False
