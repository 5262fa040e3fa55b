"""The images that a stack needs before anything of it can start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model.stack import Build, Stack

_FROM = re.compile(r"^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)(?:=(.*))?$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


def needed_images(stack: Stack) -> tuple[str, ...]:
    """References to pull or to find, without repeats: images that are not built, and the bases of those that are."""
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


def base_images(build: Build) -> tuple[str, ...]:
    """Images that a Dockerfile starts from; empty where it cannot be read, which the build itself then reports."""
    text = build.dockerfile_inline
    if text is None:
        try:
            text = (Path(build.context) / build.dockerfile).read_text()
        except (OSError, UnicodeDecodeError):
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


def _expand(text: str, arguments: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: arguments.get(m[1] or m[3], "") or m[2] or "", text)
