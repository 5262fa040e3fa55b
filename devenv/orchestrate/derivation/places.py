"""Where the files of an image are on this machine: by the COPY instructions of its Dockerfile, and by bind mounts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.model.stack import Mount
    from devenv.stack.dockerfile import BuildStage, Copy, Recipe

_DEPTH = 8
"""Stages through which a file is followed."""


@immutable(kw_only=True)
class Places:
    """The files of one service's image.

    Attributes:
        context: the build context, or the directory of the stack file.
        recipe: ``None`` for an image that is not built.
        mounts: of the service; they hide what the image has.
    """

    context: Path
    recipe: Recipe | None = None
    mounts: tuple[Mount, ...] = ()

    def find(self, path: str) -> Path | None:
        """The file or directory of this machine that is at ``path`` in the container; ``None`` if none is."""
        for mount in self.mounts:
            if mount.kind == "bind" and mount.source and (rest := _below(path, mount.target)) is not None:
                return next(_existing(Path(mount.source) / rest), None)
        return self._copied(self.recipe.image, path, _DEPTH) if self.recipe else None

    def folder(self, path: str) -> Path:
        """The directory of this machine for the working directory ``path``: as far as known, else the context.

        A directory of which only files were copied is the one that has these files.
        """
        found = self.find(path)
        if found is not None and found.is_dir():
            return found
        return (self._gathered(self.recipe.image, path) if self.recipe else None) or self.context

    def _copied(self, stage: BuildStage, path: str, depth: int) -> Path | None:
        for copy in reversed(stage.copies):
            for source in copy.sources:
                for local in self._sources(copy, source, depth):
                    for target in _targets(copy, local):
                        rest = _below(path, target)
                        if rest is not None and (found := next(_existing(local / rest if rest else local), None)):
                            return found
        return None

    def _gathered(self, stage: BuildStage, path: str) -> Path | None:
        """The directory that has what was copied into ``path``, or into directories of the same names below it."""
        for copy in reversed(stage.copies):
            below = _below(copy.destination, path)
            for source in copy.sources if below is not None else ():
                for local in self._sources(copy, source, _DEPTH):
                    if not below:
                        return local if local.is_dir() else local.parent
                    parts = Path(below).parts
                    if local.parts[-len(parts) :] == parts:
                        return local.parents[len(parts) - 1]
        return None

    def _sources(self, copy: Copy, source: str, depth: int) -> Iterator[Path]:
        """What a COPY takes, on this machine."""
        if "://" in source:
            return
        if not copy.stage:
            yield from _existing(self.context / source.lstrip("/"))
            return
        stage = self.recipe.stage(copy.stage) if self.recipe else None
        if stage is None or depth == 0:
            return
        absolute = posixpath.normpath(posixpath.join("/", source))
        if found := self._copied(stage, absolute, depth - 1):
            yield found


def _existing(path: Path) -> Iterator[Path]:
    """The path if it exists, or what its last parts match as a pattern, the newest first."""
    try:
        if path.exists():
            yield path
        elif "*" in path.name:
            found = [item for item in path.parent.glob(path.name) if item.is_file()]
            yield from sorted(found, key=lambda item: item.stat().st_mtime, reverse=True)
    except OSError:
        return


def _below(path: str, directory: str) -> str | None:
    """``path`` relative to ``directory``; empty if they are the same, ``None`` if it is not below."""
    if path == directory:
        return ""
    prefix = directory.rstrip("/") + "/"
    return path.removeprefix(prefix) if path.startswith(prefix) else None


def _targets(copy: Copy, local: Path) -> tuple[str, ...]:
    """Where a source may be after a COPY: the destination of a file is a directory if there is one of that name."""
    inside = posixpath.join(copy.destination, local.name)
    if not local.is_file():
        return (copy.destination,)
    return (inside,) if copy.folder else (inside, copy.destination)
