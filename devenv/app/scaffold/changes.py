"""Changes of a project's files, worked out before any of them is made, and made all or not at all."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.app.scaffold.placement import not_written, replace_file
from devenv.errors import ConfigurationError, EnvironmentFailure, Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be done to the files of a project.

    Attributes:
        created: content of new files.
        edited: texts before and after; a file that says something else by now is not touched.
        replaced: new content of files that are ours as a whole.
        removed: files that are ours, and that new ones take the place of.
    """

    created: Mapping[Path, bytes] = field(default_factory=dict)
    edited: Mapping[Path, tuple[str, str]] = field(default_factory=dict)
    replaced: Mapping[Path, bytes] = field(default_factory=dict)
    removed: tuple[Path, ...] = ()

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
        """Make all changes, each file in one step; where one fails, what has been done is undone.

        Raises:
            EnvironmentFailure: a file cannot be written.
            ConfigurationError: a file has been changed or made by somebody else meanwhile.
        """
        kept = {path: _read_bytes(path) for path in (*self.edited, *self.replaced, *self.removed)}
        self._check_unchanged(kept)
        folders: list[Path] = []
        made: list[Path] = []
        try:
            for path, content in self.created.items():
                folders += _make_folders(path.parent)
                made.append(path)
                replace_file(path, content)
            for path, content in self._rewritten():
                replace_file(path, content)
            for path in self.removed:
                path.unlink()
        except BaseException as error:
            _undo(made, kept, folders)
            if isinstance(error, OSError):
                raise EnvironmentFailure(f"the project cannot be changed: {error}") from error
            raise

    def _rewritten(self) -> Iterator[tuple[Path, bytes]]:
        yield from self.replaced.items()
        for path, (_, after) in self.edited.items():
            yield path, after.encode()

    def _check_unchanged(self, found: Mapping[Path, bytes]) -> None:
        for path, (before, _) in self.edited.items():
            if found[path] != before.encode():
                raise ConfigurationError(
                    "changed while it was being edited", location=Location(str(path)), hint="run the command again"
                )
        for path in self.created:
            if path.exists():
                raise ConfigurationError("made by somebody else meanwhile", location=Location(str(path)))


def read_text(path: Path) -> str:
    """The text of a file as it is: line ends and byte order mark included, so that it can be written back.

    Raises:
        ConfigurationError: it cannot be read, or is not UTF-8.
    """
    try:
        return _read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8", location=Location(str(path)), hint="save it as UTF-8") from error


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {error.strerror or error}", location=Location(str(path)), hint="check its owner and mode"
        ) from error


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; the ones that were not there, outermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()][::-1]
    for index, each in enumerate(missing):
        try:
            each.mkdir()
        except OSError as error:
            _undo((), {}, missing[:index])
            raise not_written(each, error) from error
    return missing


def _undo(made: Iterable[Path], kept: Mapping[Path, bytes], folders: Iterable[Path]) -> None:
    """Put everything back; what cannot be is left, for the error that is on its way says more than a second one."""
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
