"""The images that a stack needs before its services can start, and what its Dockerfiles contain."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.disk import read_regular_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model.stack import Build, Stack

MAXIMUM_BYTES = 1024 * 1024
"""Of a Dockerfile; what follows is not read."""
_FROM = re.compile(r"^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)(?:=(.*))?$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_SHELL = re.compile(r"[|&;<>()$`*?~]")
"""Characters with a meaning to a shell."""


def needed_images(stack: Stack) -> tuple[str, ...]:
    """References without duplicates: images that are not built, and the base images of those that are."""
    built = {service.image for service in stack.services.values() if service.build is not None}
    needed: dict[str, None] = {}
    for service in stack.services.values():
        if service.build is not None:
            needed.update(dict.fromkeys(base_images(service.build)))
        elif service.image is not None and service.image not in built:
            needed[service.image] = None
    if stack.trace_backend is None:
        needed[f"jaegertracing/jaeger:{stack.x.jaeger.version}"] = None
    return tuple(needed)


def cannot_be_closed(stack: Stack) -> str:
    """Why an engine with Jaeger cannot run ``stack``; empty if it can: Jaeger has no login."""
    if stack.x.backend.access == "open":
        return ""
    return "x-devenv.backend.access: token is for the embedded trace backend: Jaeger itself has no such check"


def cannot_be_built_here(stack: Stack) -> str:
    """Why the images of ``stack`` cannot be built; empty if they can.

    The stacks of an installed devenv have no build context: the sources of the tracing library are only in a checkout.
    A project created by ``devenv init`` contains all files that its build needs.
    """
    from devenv.stack.discovery import shipped_stacks

    if not stack.files[0].is_relative_to(shipped_stacks()):
        return ""
    builds = [service.build for service in stack.services.values() if service.build is not None]
    if all((build.context / build.dockerfile).is_file() for build in builds):
        return ""
    return f"the {stack.directory.name} stack of an installed devenv cannot build images"


def base_images(build: Build) -> tuple[str, ...]:
    """Base images of a Dockerfile; empty if it cannot be read, which the build then reports."""
    text = dockerfile_text(build)
    if text is None:
        return ()
    arguments: dict[str, str] = {}
    stages: set[str] = {"scratch"}
    bases: dict[str, None] = {}
    for line in text.splitlines():
        if argument := _ARG.match(line):
            arguments[argument[1]] = build.args.get(argument[1], (argument[2] or "").strip().strip("\"'"))
        elif start := _FROM.match(line):
            base = _expand(start[1], arguments)
            if base.lower() not in stages:
                bases[base] = None
            if start[2]:
                stages.add(start[2].lower())
    return tuple(bases)


def dockerfile_text(build: Build) -> str | None:
    """The text of the Dockerfile; ``None`` if it cannot be read."""
    if build.dockerfile_inline is not None:
        return build.dockerfile_inline
    try:
        return read_regular_file(Path(build.context) / build.dockerfile, MAXIMUM_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return None


def _expand(text: str, arguments: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: arguments.get(m[1] or m[3], "") or m[2] or "", text)


def start_commands(build: Build) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """ENTRYPOINT and CMD of a Dockerfile's last stage; ``None`` for one that is missing or not readable."""
    found: dict[str, tuple[str, ...] | None] = {}
    for line in _instructions(build):
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "FROM":
            found = {}
        elif word.upper() in {"ENTRYPOINT", "CMD"}:
            found[word.upper()] = _words(rest.strip())
    return found.get("ENTRYPOINT"), found.get("CMD")


def _instructions(build: Build) -> list[str]:
    return re.sub(r"\\[ \t]*\r?\n", " ", dockerfile_text(build) or "").splitlines()


def _words(text: str) -> tuple[str, ...] | None:
    """Words of a JSON argument list or of a shell line; a line with shell syntax becomes ``sh -c``."""
    try:
        listed = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return None
    if isinstance(listed, list):
        return tuple(str(word) for word in listed)
    try:
        return ("sh", "-c", text) if _SHELL.search(text) else tuple(shlex.split(text))
    except ValueError:
        return None
