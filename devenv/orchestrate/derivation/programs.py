"""From the command of a container to that of a process: the same words, with the programs and files of this machine."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.orchestrate.derivation import languages
from devenv.orchestrate.derivation.outcome import LocalProgram, Missing

if TYPE_CHECKING:
    from devenv.orchestrate.derivation.setting import Setting

_INIT = frozenset({"tini", "dumb-init", "tini-static", "catatonit"})
"""Programs that only reap processes, which the process engine does itself."""
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_NO_PROGRAM = frozenset(
    {"exec", "cd", "export", "set", "source", ".", "eval", "if", "[", "test", "env", "&&", "||", ";"}
)
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_ABSOLUTE = re.compile(r"(?<![\w./:-])/[\w./-]+")


def local_program(words: tuple[str, ...], setting: Setting) -> LocalProgram | Missing:
    """Return the command of this machine for that of a container, or what is missing for it."""
    words = _without_init(words)
    if len(words) > 2 and words[0].rpartition("/")[2] in _SHELLS and words[1] in {"-c", "-ec", "-lc"}:
        return _shell_line(words[2], setting)
    return _program(words, setting)


def _without_init(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or words[0].rpartition("/")[2] not in _INIT:
        return words
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        end = rest[0] == "--"
        rest = rest[1:]
        if end:
            break
    return rest


def _shell_line(text: str, setting: Setting) -> LocalProgram | Missing:
    """A line for a shell, with the environments of its directory in front of the PATH.

    The programs of its parts are looked for, so that one that is missing is said before anything starts.
    """
    found = re.sub(_ABSOLUTE, lambda path: _local_text(path[0], setting), text)
    for part in re.split(r"&&|\|\||[;|&\n]", text):
        program = _program_of(part)
        if program is None:
            continue
        local = _program(program, setting)
        if isinstance(local, Missing):
            return local
    folders = [f'"$PWD/{setting.relative(folder)}"' for folder in languages.program_folders(setting)]
    folders.append('"$PATH"')
    path = f"PATH={':'.join(folders)}; export PATH; " if len(folders) > 1 else ""
    return LocalProgram(words=("sh", "-c", path + found))


def _program_of(part: str) -> tuple[str, ...] | None:
    """The words of one command of a shell line, without what only the shell knows."""
    try:
        words = shlex.split(part)
    except ValueError:
        return None
    while words and (words[0] in {"exec", "env"} or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    return tuple(words) if words and words[0] not in _NO_PROGRAM and re.match(r"^[\w./-]+$", words[0]) else None


def _local_text(path: str, setting: Setting) -> str:
    found = setting.places.find(posixpath.normpath(path))
    return shlex.quote(str(found)) if found else path


def _program(words: tuple[str, ...], setting: Setting) -> LocalProgram | Missing:
    if not words:
        return Missing(reason="neither the stack file nor the Dockerfile has a command")
    arguments = tuple(_argument(word, setting) for word in words[1:])
    language = languages.language_of(words, setting)
    if language is not None:
        return language((words[0], *arguments), setting)
    return _other((words[0], *arguments), setting)


def _argument(word: str, setting: Setting) -> str:
    """An argument with a path of the container, or ``--option=PATH``, led to this machine."""
    option, sign, path = word.rpartition("=")
    if not path.startswith("/") or "://" in word:
        return word
    found = setting.places.find(posixpath.normpath(path))
    return f"{option}{sign}{setting.relative(found)}" if found else word


def _other(words: tuple[str, ...], setting: Setting) -> LocalProgram | Missing:
    """A script or program of the context, or one of this machine."""
    program, *rest = words
    found = setting.file(program) if "/" in program else None
    if found is not None and found.is_file():
        if os.access(found, os.X_OK):
            return LocalProgram(words=(setting.relative(found), *rest))
        return LocalProgram(words=(_interpreter(found), setting.relative(found), *rest))
    name = program.rpartition("/")[2]
    if not program.startswith((".", "/app", "/srv", "/opt", "/home")) and setting.machine.which(name):
        return LocalProgram(words=(name, *rest))
    where = "is made while the image is built" if "/" in program else "is not installed on this machine"
    return Missing(reason=f"the program {program} {where}")


def _interpreter(script: Path) -> str:
    try:
        with script.open("rb") as file:
            first = file.readline(200).decode(errors="replace")
    except OSError:
        return "sh"
    return "bash" if first.startswith("#!") and "bash" in first else "sh"
