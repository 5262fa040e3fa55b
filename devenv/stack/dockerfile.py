"""What a Dockerfile says of the containers that its image starts: the one reader of that for all of devenv.

Rules: https://docs.docker.com/reference/dockerfile/. Of RUN nothing is read, and of a base image only its name.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.disk import read_regular_file
from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.model.stack import Build, Service

MAXIMUM_BYTES = 1024 * 1024
"""Of a Dockerfile; what follows is not read."""

_ESCAPE = re.compile(r"\A(?:\s*#[^\n]*\n)*?\s*#\s*escape\s*=\s*`", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?[\"']?([A-Za-z_]\w*)[\"']?")
_VARIABLE = re.compile(r"\\\$|\$(?:\{(\w+)(?:(:[-+])([^}]*))?\}|(\w+))")
_SHELL = re.compile(r"[|&;<>()$`*?~]")
"""Characters with a meaning to a shell."""
_BUILTINS = frozenset({"exec", "cd", "export", "source", ".", "set", "exit", "eval"})
_STAGE_NAME = re.compile(r"\s+AS\s+(\S+)\s*$", re.IGNORECASE)


@immutable(kw_only=True)
class Copy:
    """One COPY or ADD: ``sources`` in the build context, or in ``stage`` (or image) if that is not empty.

    Attributes:
        destination: absolute; ``folder``: it is a directory for certain: it ends with a slash, or has several sources.
    """

    sources: tuple[str, ...]
    destination: str
    folder: bool = False
    stage: str = ""


@immutable(kw_only=True)
class BuildStage:
    """A stage of a build, with what it has from the stages that it starts from.

    Attributes:
        name: as after AS, in lower case; else its number.
        base: the image that it starts from, through other stages.
        entrypoint: ``None`` if the file has none; likewise ``command``.
        working_directory: absolute; empty if the file has none.
    """

    name: str
    base: str
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    copies: tuple[Copy, ...] = ()
    user: str = ""


@immutable(kw_only=True)
class Recipe:
    """A Dockerfile up to the stage that becomes the image, which is the last one of ``stages``."""

    stages: tuple[BuildStage, ...]
    bases: tuple[str, ...]

    @property
    def image(self) -> BuildStage:
        """The stage that becomes the image."""
        return self.stages[-1]

    def stage(self, name: str) -> BuildStage | None:
        """The stage that COPY --from names, by name or number; ``None`` for an image."""
        found = [stage for stage in self.stages if stage.name == name.lower()]
        return found[-1] if found else self._numbered(name)

    def _numbered(self, name: str) -> BuildStage | None:
        return self.stages[int(name)] if name.isdecimal() and int(name) < len(self.stages) else None


def dockerfile_text(build: Build) -> str | None:
    """The text of the Dockerfile; ``None`` if it cannot be read, which the build then reports."""
    if build.dockerfile_inline is not None:
        return build.dockerfile_inline
    try:
        return read_regular_file(Path(build.context) / build.dockerfile, MAXIMUM_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return None


def recipe_of(build: Build) -> Recipe | None:
    """The recipe of a build, with its arguments and target; ``None`` if the Dockerfile cannot be read or is empty."""
    text = dockerfile_text(build)
    return read_recipe(text, build.args, build.target) if text is not None else None


def read_recipe(text: str, args: Mapping[str, str] | None = None, target: str | None = None) -> Recipe | None:
    """Read the text of a Dockerfile.

    Args:
        text: as in the file.
        args: values of its ARG instructions, which come before the defaults.
        target: the stage that becomes the image; ``None``, or a name that there is not: the last one.

    Returns:
        ``None`` if there is no FROM.
    """
    reader = _Reader(args or {})
    for instruction, rest in instructions(text):
        reader.read(instruction, rest)
    stages = reader.finished()
    if not stages:
        return None
    names = [stage.name for stage in stages]
    if target is not None and target.lower() in names:
        stages = stages[: len(names) - names[::-1].index(target.lower())]
    return Recipe(stages=stages, bases=tuple(dict.fromkeys(reader.bases)))


def command_line(
    service: Service, entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return what a service runs: entrypoint and command of its stack file, and of its image, if that sets none.

    An entrypoint in the stack file resets the image's command.

    Args:
        service: as resolved from the stack file.
        entrypoint: of its image.
        command: of its image.
    """
    if service.entrypoint is not None:
        return (*service.entrypoint, *(service.command or ()))
    return (*(entrypoint or ()), *((command if service.command is None else service.command) or ()))


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction in upper case with its arguments; comments and the content of heredocs are left out."""
    escape = "`" if _ESCAPE.match(text) else "\\"
    joined: list[str] = []
    ends: list[str] = []
    for raw in text.lstrip("\ufeff").splitlines():
        if ends:
            ends = ends[1:] if raw.strip() == ends[0] else ends
            continue
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.endswith(escape):
            joined.append(line[:-1])
            continue
        word, _, rest = " ".join([*joined, line]).strip().partition(" ")
        joined = []
        if word.upper() in {"RUN", "COPY", "ADD"}:
            ends = _HEREDOC.findall(rest)
        yield word.upper(), rest.strip()


def command_words(text: str) -> tuple[str, ...] | None:
    """Words of a JSON argument list or of a shell line; a line with shell syntax becomes ``sh -c``.

    Returns:
        ``None`` if the text is neither.
    """
    try:
        listed = json.loads(text) if text.startswith("[") else None
        if isinstance(listed, list):
            return tuple(str(word) for word in listed)
        words = tuple(shlex.split(text))
    except ValueError:
        return None
    first = words[0] if words else ""
    return ("sh", "-c", text) if _SHELL.search(text) or first in _BUILTINS or "=" in first else words


class _Reader:
    """Reads instruction by instruction.

    Args:
        args: values of ARG from outside.
    """

    def __init__(self, args: Mapping[str, str]) -> None:
        self._given = args
        self._global: dict[str, str] = {}
        self._arguments: dict[str, str] = {}
        self._done: list[BuildStage] = []
        self._stage: BuildStage | None = None
        self._has_command = False
        self.bases: list[str] = []

    def finished(self) -> tuple[BuildStage, ...]:
        """All stages."""
        return (*self._done, self._stage) if self._stage is not None else ()

    def read(self, instruction: str, rest: str) -> None:
        """Take in one instruction."""
        if instruction == "FROM":
            self._from(rest)
        elif instruction == "ARG":
            for word in _split(rest):
                self._argument(*word.partition("=")[::2])
        elif self._stage is not None:
            self._stage = self._after(self._stage, instruction, rest)

    def _argument(self, name: str, default: str) -> None:
        if self._stage is None:
            self._global[name] = self._given.get(name, _expand(default, self._global))
        else:
            inherited = default or self._global.get(name, "")
            self._arguments[name] = self._given.get(name, _expand(inherited, self._variables(self._stage)))

    def _variables(self, stage: BuildStage) -> dict[str, str]:
        return {**self._arguments, **stage.environment}

    def _from(self, rest: str) -> None:
        if self._stage is not None:
            self._done.append(self._stage)
        name = _STAGE_NAME.search(rest)
        words = [word for word in rest[: name.start() if name else None].split() if not word.startswith("--")]
        base = _expand(words[0], self._global) if words else ""
        label = name[1].lower() if name else str(len(self._done))
        earlier = next((stage for stage in reversed(self._done) if stage.name == base.lower()), None)
        if earlier is None and base.lower() != "scratch":
            self.bases.append(base)
        self._arguments, self._has_command = {}, False
        self._stage = replace(earlier, name=label) if earlier else BuildStage(name=label, base=base)

    def _after(self, stage: BuildStage, instruction: str, rest: str) -> BuildStage:
        variables = self._variables(stage)
        if instruction == "ENTRYPOINT":  # it resets the CMD of what the stage starts from
            kept = stage.command if self._has_command else None
            return replace(stage, entrypoint=command_words(rest), command=kept)
        if instruction == "CMD":
            self._has_command = True
            return replace(stage, command=command_words(rest))
        if instruction == "WORKDIR":
            path = posixpath.join(stage.working_directory or "/", _expand(rest.strip("\"'"), variables))
            return replace(stage, working_directory=posixpath.normpath(path))
        if instruction == "ENV":
            return replace(stage, environment={**stage.environment, **_environment(rest, variables)})
        if instruction == "EXPOSE":
            return replace(stage, ports=tuple(dict.fromkeys([*stage.ports, *_ports(_expand(rest, variables))])))
        if instruction == "USER":
            return replace(stage, user=_expand(rest, variables))
        if instruction in {"COPY", "ADD"} and (copy := _copy(_expand(rest, variables), stage.working_directory or "/")):
            return replace(stage, copies=(*stage.copies, copy))
        return stage


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _expand(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[0] == "\\$":
            return "$"
        known = variables.get(found[1] or found[4], "")
        if found[2] == ":+":
            return str(found[3]) if known else ""
        return known or str(found[3] or "")

    return _VARIABLE.sub(value, text)


def _environment(text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """``NAME=value …``, or the old form ``NAME value``; all values see the variables from before the instruction."""
    if "=" not in text.split(" ", 1)[0]:
        name, _, value = text.partition(" ")
        return {name: _expand(value.strip(), variables)}
    pairs = (word.partition("=") for word in _split(text))
    return {name: _expand(value, variables) for name, sign, value in pairs if sign}


def _ports(text: str) -> Iterator[int]:
    for word in text.split():
        number, _, protocol = word.partition("/")
        first = number.partition("-")[0]
        if protocol.lower() in {"", "tcp"} and first.isdecimal():
            yield int(first)


def _copy(text: str, directory: str) -> Copy | None:
    stage = ""
    while text.startswith("--"):
        option, _, text = text.partition(" ")
        text = text.strip()
        if option.startswith("--from="):
            stage = option.removeprefix("--from=")
    words = command_words(text) if text.startswith("[") else tuple(_split(text))
    if words is None or len(words) < 2 or any(word.startswith("<<") for word in words):
        return None
    *sources, last = words
    folder = last.endswith("/") or last in {".", "./"} or len(sources) > 1
    destination = posixpath.normpath(posixpath.join(directory, last))
    return Copy(sources=tuple(sources), destination=destination, folder=folder, stage=stage)
