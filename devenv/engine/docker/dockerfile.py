"""What a Dockerfile needs of its builder, and the context that goes with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from devenv.disk import read_regular_file
from devenv.errors import BuildFailed
from devenv.immutable import immutable
from devenv.model.stack import Build

MAXIMUM_BYTES = 8 * 1024 * 1024
"""Of a Dockerfile and of ``.dockerignore``; what follows is not read."""
INLINE_NAME = ".dockerfile.devenv"
"""Name in the context of a Dockerfile from elsewhere: from the stack file, or outside the context."""

# Instructions that only BuildKit supports: https://docs.docker.com/reference/dockerfile/
_BUILDKIT = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"^\s*(?:ONBUILD\s+)?RUN\s+(?:--\S+\s+)*--(mount|network|security|device)=", "RUN --{0}"),
        (r"^\s*(?:ONBUILD\s+)?(COPY|ADD)\s+(?:--\S+\s+)*--(link|chmod|parents|exclude|checksum)\b", "{0} --{1}"),
        (r"^\s*(?:ONBUILD\s+)?(RUN|COPY|ADD)(?=\s)[^#]*\s\d*<<-?[\"']?[A-Za-z_]\w*", "a heredoc in {0}"),
        (r"^\s*#\s*syntax\s*=\s*docker/dockerfile:\S*labs", "a labs syntax"),
    )
)

_SOURCE = re.compile(
    r"(\s*(?:FROM\s+(?:--platform=\S+\s+)?|(?:ONBUILD\s+)?COPY\s+(?:--\S+\s+)*?--from=))(\S+)", re.IGNORECASE
)
"""The beginning of an instruction that names a stage, an image or a context, and that name."""


@immutable()
class Dockerfile:
    """A Dockerfile's text, and its name in the context."""

    name: str
    text: str
    inside: bool

    @property
    def buildkit_needs(self) -> tuple[str, ...]:
        """What requires BuildKit, as the file has it; empty if the classic builder can build it."""
        found = []
        for line in self.text.splitlines():
            for pattern, words in _BUILDKIT:
                if match := pattern.search(line):
                    found.append(
                        words.format(*(group.upper() if group.isupper() else group for group in match.groups()))
                    )
        return tuple(dict.fromkeys(found))


def read_dockerfile(build: Build) -> Dockerfile:
    """The Dockerfile of ``build``.

    Raises:
        BuildFailed: If the context or the Dockerfile is missing.
    """
    if not build.context.is_dir():
        raise BuildFailed(
            f"the build context {build.context} is not a directory", details={"context": str(build.context)}
        )
    if build.dockerfile_inline is not None:
        return Dockerfile(INLINE_NAME, build.dockerfile_inline, inside=False)
    path = Path(build.dockerfile)
    path = path if path.is_absolute() else build.context / path
    try:
        text = read_regular_file(path, MAXIMUM_BYTES).decode(errors="replace")
    except OSError as error:
        raise BuildFailed(f"cannot read the Dockerfile {path}: {error.strerror}") from error
    resolved, context = path.resolve(), build.context.resolve()
    if resolved.is_relative_to(context):
        return Dockerfile(str(resolved.relative_to(context)), text, inside=True)
    return Dockerfile(INLINE_NAME, text, inside=False)


def with_images_as_contexts(dockerfile: Dockerfile, images: Mapping[str, str]) -> Dockerfile | None:
    """The Dockerfile with the references of images in the place of the contexts' names, for a builder without contexts.

    BuildKit takes a context before a stage or an image of the same name. ``None``: a variable could be such a name, or
    a mount has one, so that only BuildKit can tell.
    """
    by_name = {_familiar(name): reference for name, reference in images.items()}
    lines = []
    for line in dockerfile.text.splitlines():
        found = _SOURCE.match(line)
        if found is None:
            lines.append(line)
            continue
        if "$" in found[2]:
            return None
        lines.append(f"{found[1]}{by_name.get(_familiar(found[2]), found[2])}{line[found.end() :]}")
    if any("RUN --mount" in need for need in dockerfile.buildkit_needs):
        return None
    return Dockerfile(INLINE_NAME, "\n".join([*lines, ""]), inside=False)


def _familiar(name: str) -> str:
    return name.lower().removesuffix(":latest")


def pack_context(build: Build, dockerfile: Dockerfile) -> IO[bytes]:
    """The context as a tar file that is gone once closed; ``.dockerignore`` is respected.

    Raises:
        BuildFailed: a file of the context cannot be read.
    """
    from docker.utils.build import tar

    ignore = build.context / ".dockerignore"
    patterns = []
    if ignore.exists():
        try:
            text = read_regular_file(ignore, MAXIMUM_BYTES).decode(errors="replace")
        except OSError as error:
            raise BuildFailed(f"cannot read {ignore}: {error.strerror}") from error
        lines = (line.strip() for line in text.splitlines())
        patterns = [line for line in lines if line and not line.startswith("#")]
    extra = (dockerfile.name, None if dockerfile.inside else dockerfile.text)
    try:
        return cast("IO[bytes]", tar(build.context, exclude=patterns, dockerfile=extra, gzip=False))
    except OSError as error:
        raise BuildFailed(f"cannot read the build context {build.context}: {error}") from error
