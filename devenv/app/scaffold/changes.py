"""Changes to a project's files: computed before the first one is written, then written all or not at all."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from devenv.disk import not_written, read_regular_file, replace_file
from devenv.errors import ConfigurationError, EnvironmentFailure, Location, UsageError
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@immutable(kw_only=True)
class Changes:
    """What to do to the files of a project.

    Attributes:
        created: content of new files, written in this order.
        edited: texts before and after; a file with another text by now is not changed.
        replaced: new content of files that devenv owns as a whole.
        removed: files that devenv owns and that new ones replace.
    """

    created: Mapping[Path, bytes] = field(default_factory=dict)
    edited: Mapping[Path, tuple[str, str]] = field(default_factory=dict)
    replaced: Mapping[Path, bytes] = field(default_factory=dict)
    removed: tuple[Path, ...] = ()

    def after(self, first: Changes) -> Changes:
        """These changes, made together with ``first`` and after it."""
        return Changes(
            created={**first.created, **self.created},
            edited={**first.edited, **self.edited},
            replaced={**first.replaced, **self.replaced},
            removed=(*first.removed, *self.removed),
        )

    def diff(self, folder: Path) -> str:
        """The edits as a unified diff, with paths relative to ``folder``."""
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for path, (before, after) in self.edited.items()
            for line in difflib.unified_diff(
                before.splitlines(keepends=True),
                after.splitlines(keepends=True),
                f"a/{path.relative_to(folder).as_posix()}",
                f"b/{path.relative_to(folder).as_posix()}",
            )
        )

    def make(self) -> None:
        """Make all changes, each file in one step; if one fails, undo those before it.

        Raises:
            EnvironmentFailure: If a file cannot be written.
            ConfigurationError: If another program changed or created a file meanwhile.
        """
        kept = {path: _read_bytes(path) for path in (*self.edited, *self.replaced, *self.removed)}
        self._check_unchanged(kept)
        folders: list[Path] = []
        made: list[Path] = []
        try:
            for path, content in self.created.items():
                _make_folders(path.parent, folders)
                made.append(path)
                replace_file(path, content)
            for path, content in self._rewritten():
                replace_file(path, content)
            for path in self.removed:
                _remove(path)
        except BaseException:  # Ctrl-C included: a half-written project would block the next attempt
            _undo(made, kept, folders)
            raise

    def _rewritten(self) -> Iterator[tuple[Path, bytes]]:
        yield from self.replaced.items()
        for path, (_, after) in self.edited.items():
            yield path, after.encode()

    def _check_unchanged(self, found: Mapping[Path, bytes]) -> None:
        for path, (before, _) in self.edited.items():
            if found[path] != before.encode():
                raise ConfigurationError(
                    "the file changed while devenv was editing it",
                    location=Location(str(path)),
                    hint="run the command again",
                )
        for path in self.created:
            if path.exists():
                raise ConfigurationError(
                    "the file was created by another program meanwhile", location=Location(str(path))
                )


def new_files(root: Path, files: Mapping[str, bytes]) -> Changes:
    """The changes that create ``files`` below ``root``, in their order; ``root`` need not exist.

    Args:
        root: a directory.
        files: content by path with ``/``, relative to ``root``.

    Raises:
        UsageError: If files with these names exist.
    """
    if taken := in_the_way(root, files):
        raise UsageError(
            f"{root} already contains {', '.join(taken)}; devenv does not overwrite files",
            hint="use an empty directory, or move the files away",
            details={"files": list(taken)},
        )
    return Changes(created={root / name: content for name, content in files.items()})


def in_the_way(root: Path, files: Iterable[str]) -> tuple[str, ...]:
    """Those of ``files`` that exist, and files whose place a directory needs."""
    found: dict[str, None] = {}
    for name in files:
        for part in (PurePosixPath(name), *PurePosixPath(name).parents[:-1]):
            path = root / part
            if (path.exists() or path.is_symlink()) and (str(part) == name or not path.is_dir()):
                found[str(part)] = None
    return tuple(found)


def read_text(path: Path) -> str:
    """The text of a file with its line ends and byte order mark, so that it can be written back unchanged.

    Raises:
        ConfigurationError: If it cannot be read or is not UTF-8.
    """
    try:
        return _read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "the file is not UTF-8", location=Location(str(path)), hint="save it as UTF-8"
        ) from error


def _read_bytes(path: Path) -> bytes:
    try:
        return read_regular_file(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the file: {error.strerror or error}",
            location=Location(str(path)),
            hint="check its owner and permissions",
        ) from error


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Create a folder and those above it; adds the ones that did not exist to ``made``, outermost first."""
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            try:
                each.mkdir()
            except OSError as error:
                raise not_written(each, error) from error
            made.append(each)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise not_written(path, error) from error


def _undo(made: Iterable[Path], kept: Mapping[Path, bytes], folders: Iterable[Path]) -> None:
    """Restore everything; what cannot be restored is left, because the first error explains more than a second one."""
    for path in made:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for path, content in kept.items():
        with suppress(OSError, EnvironmentFailure):
            if not path.exists() or path.read_bytes() != content:
                replace_file(path, content)
    for folder in reversed([*folders]):
        with suppress(OSError):
            folder.rmdir()
