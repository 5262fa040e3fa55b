"""Finds the configuration of a collector among the files that the stack gives it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from devenv.disk import read_regular_file
from devenv.errors import DevenvError
from devenv.immutable import immutable
from devenv.orchestrate.files import content_of

if TYPE_CHECKING:
    from devenv.model.stack import Mount, Service, Stack
    from devenv.orchestrate.telemetry.recognition import Telemetry

MAXIMUM_BYTES = 4 * 1024 * 1024
"""Of a configuration; a larger one is left as it is."""

FLAG = "--config"
_FROM_A_SERVER = re.compile(r"(?:^|\s)--manager-config\b")
_IN_A_LINE = re.compile(r"--config[= ]['\"]?([^\s'\"]+)")


@immutable(kw_only=True)
class ConfigurationFile:
    """One file of a collector's configuration.

    Attributes:
        path: in the container.
        name: for messages: on this machine, or the key of ``configs``.
        how: ``config``: an entry of ``configs``; ``file``: a bind mount of this file; ``directory``: below one.
        source: the key of ``configs``, or the target of the mount.
    """

    path: str
    name: str
    how: Literal["config", "file", "directory"]
    source: str
    text: str


@immutable(kw_only=True)
class Configuration:
    """A collector's whole configuration, in the order in which it is merged.

    Attributes:
        named: its command names the files, rather than the image.
        in_a_line: it is named in a shell line, to which nothing can be added.
    """

    files: tuple[ConfigurationFile, ...]
    named: bool
    in_a_line: bool = False


def find_configuration(stack: Stack, service: Service, found: Telemetry) -> Configuration | str:
    """Return a collector's configuration, or why it cannot be read.

    Args:
        stack: with the ``configs`` of the service.
        service: the collector.
        found: what it is.
    """
    words = (*(service.entrypoint or ()), *(service.command or ()))
    if any(_FROM_A_SERVER.search(word) for word in words):
        return "its configuration comes from a server (--manager-config)"
    paths, in_a_line = _named(words), False
    if not paths:
        paths = [path for word in words if " " in word for path in _IN_A_LINE.findall(word)]
        in_a_line = bool(paths)
    named = bool(paths)
    if not named and found.config:
        paths = [found.config]
    if not paths:
        return "its command does not say where its configuration is"
    files = []
    for path in paths:
        file = _file(stack, service, path)
        if isinstance(file, str):
            return file
        files.append(file)
    return Configuration(files=tuple(files), named=named, in_a_line=in_a_line)


def _named(words: tuple[str, ...]) -> list[str]:
    paths = [word.partition("=")[2] for word in words if word.startswith(f"{FLAG}=")]
    return paths + [path for word, path in pairwise(words) if word == FLAG]


def _file(stack: Stack, service: Service, uri: str) -> ConfigurationFile | str:
    path = uri.removeprefix("file:")
    if not path.startswith("/"):
        return f"its configuration is given as {uri}"
    for mounted in service.configs:
        if mounted.target == path:
            try:
                text = content_of(stack.configs[mounted.source]).decode()
            except (DevenvError, UnicodeDecodeError) as error:
                return f"config {mounted.source} cannot be read: {error}"
            return ConfigurationFile(path=path, name=mounted.source, how="config", source=mounted.source, text=text)
    mount = _mount_of(service, path)
    if mount is None:
        return f"its configuration {path} is in its image"
    if mount.kind != "bind" or mount.source is None:
        return f"its configuration {path} is in a volume"
    below = PurePosixPath(path).relative_to(mount.target)
    file = Path(mount.source) / below
    try:
        text = read_regular_file(file, MAXIMUM_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        return f"{file} cannot be read here: {reason or error}"
    how: Literal["file", "directory"] = "directory" if below.parts else "file"
    return ConfigurationFile(path=path, name=file.name, how=how, source=mount.target, text=text)


def _mount_of(service: Service, path: str) -> Mount | None:
    """The mount that contains ``path``: the deepest one."""
    within = [mount for mount in service.mounts if PurePosixPath(path).is_relative_to(mount.target)]
    return max(within, key=lambda mount: len(PurePosixPath(mount.target).parts), default=None)
