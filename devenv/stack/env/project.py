"""The variables of a project: the command's environment, then its ``.env`` files, in the order of Compose.

Which files: those of ``COMPOSE_ENV_FILES`` (in the environment only; separated by commas), of which later ones take
precedence; else, unless ``COMPOSE_DISABLE_ENV_FILE`` is true, ``.env`` of the directory where the command runs, then
``.env`` of the project's. Format: https://docs.docker.com/compose/how-tos/environment-variables/envvars/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from devenv.errors import StackFileError
from devenv.stack.env.dotenv import read_dotenv
from devenv.stack.env.interpolation import Lookup, Variable, lookup_in
from devenv.stack.problems import Problems, as_problem

FILES_VARIABLE = "COMPOSE_ENV_FILES"
DISABLE_VARIABLE = "COMPOSE_DISABLE_ENV_FILE"
_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE = frozenset({"", "0", "f", "F", "false", "False", "FALSE"})


def read_variables(
    environ: Mapping[str, str], problems: Problems, *, working: Path, directories: Sequence[Path]
) -> Lookup:
    """Return a lookup in the environment and the project's ``.env`` files; a file's problems go to ``problems``.

    Args:
        environ: the command's environment, which takes precedence.
        problems: receives what is wrong.
        working: directory against which the files of ``COMPOSE_ENV_FILES`` are resolved.
        directories: whose ``.env`` is read, in order of precedence.
    """
    named = [name for name in environ.get(FILES_VARIABLE, "").split(",") if name]
    if named:
        variables: dict[str, Variable] = {}
        for name in named:
            variables |= _read(working / name, lookup_in(environ), variables, problems, asked=True)
        return lookup_in(environ, variables)
    if _is_disabled(environ, problems):
        return lookup_in(environ)
    found: list[Mapping[str, Variable]] = []
    for directory in dict.fromkeys(directories):
        found.append(_read(directory / ".env", lookup_in(environ, *found), {}, problems, asked=False))
    return lookup_in(environ, *found)


def _is_disabled(environ: Mapping[str, str], problems: Problems) -> bool:
    value = environ.get(DISABLE_VARIABLE, "")
    if value not in _TRUE | _FALSE:
        problems.add(f"{DISABLE_VARIABLE}: found {value!r}, expected true or false", key=DISABLE_VARIABLE, found=value)
    return value in _TRUE


def _read(
    path: Path, lookup: Lookup, earlier: Mapping[str, Variable], problems: Problems, *, asked: bool
) -> dict[str, Variable]:
    """The variables of one file; a missing file is a problem if the user ``asked`` for it."""
    if not asked and not _exists(path):
        return {}
    try:
        return read_dotenv(path, lookup, problems, earlier=earlier)
    except StackFileError as error:
        problem = as_problem(error)
        hint = f"correct {FILES_VARIABLE}, or create the file" if asked else problem.hint
        problems.add(problem.message, problem.location, found=problem.found, expected=problem.expected, hint=hint)
        return {}


def _exists(path: Path) -> bool:
    """Whether ``.env`` is there; if its directory cannot be searched, reading the stack file reports that."""
    try:
        return path.exists() and not path.is_dir()
    except OSError:
        return False
