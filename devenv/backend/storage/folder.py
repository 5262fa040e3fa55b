"""The folder of a storage: its mark, its lock and its segments."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from devenv.disk import NotRegularFileError, not_read, not_written, read_regular_file, remove_file, replace_file
from devenv.errors import ConfigurationError, EnvironmentFailure, LockHeld
from devenv.immutable import immutable

FORMAT = 1
MARK = "devenv-storage.json"
"""Its presence says that the folder is devenv's."""
LOCK = "lock"
_SEGMENT = re.compile(r"traces-(\d{8})\.devenv")
_CHECKPOINT = re.compile(r"checkpoint-(\d{8})\.(devenv|new)")
# What a file manager or git leaves in any folder.
_HARMLESS = {".gitignore", ".gitkeep", ".DS_Store", "lost+found"}


@immutable()
class SegmentFile:
    """A file of records.

    ``written`` is the time of the last write, in seconds since 1970; ``logs_end`` the order after the last log record.
    """

    number: int
    path: Path
    size: int
    written: float
    logs_end: int = 0


class Folder:
    """An open folder: no other process can open it until :meth:`close`, or until this process ends.

    Args:
        path: created if it is missing, with mode 0700.

    Raises:
        LockHeld: If another process has it open.
        ConfigurationError: If it has files that devenv did not write, or has the format of another version.
        EnvironmentFailure: If it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check()
            self._lock = self._locked()
        except FileExistsError as error:
            raise ConfigurationError(f"{path} is not a directory", hint="choose another directory") from error
        except OSError as error:
            raise not_written(path, error) from error
        try:
            if not (path / MARK).exists():
                replace_file(path / MARK, _mark().encode() + b"\n", durable=False, mode=0o600)
        except EnvironmentFailure:
            self.close()
            raise

    def _check(self) -> None:
        mark = self.path / MARK
        try:
            found = read_regular_file(mark, 4096)
        except FileNotFoundError:
            foreign = sorted({entry.name for entry in self.path.iterdir()} - _HARMLESS - {LOCK})
            if foreign:
                more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
                raise ConfigurationError(
                    f"{self.path} has files that devenv did not write: {foreign[0]}{more}",
                    hint="choose an empty directory, or one that does not exist yet",
                ) from None
            return
        except NotRegularFileError as error:
            raise not_read(mark, error) from error
        if found.strip() != _mark().encode():
            raise ConfigurationError(
                f"{mark}: found {found[:80].decode('utf-8', 'replace').strip()!r}, expected {_mark()!r}: "
                "another version of devenv wrote it, or it is damaged",
                hint=f"choose another directory, or remove {self.path} with its traces",
            )

    def _locked(self) -> int:
        path = self.path / LOCK
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise LockHeld(
                f"{self.path} is in use by another trace backend of devenv" + (f" (pid {owner})" if owner else ""),
                hint="stop it, or choose another directory",
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        return lock

    def segments(self) -> list[SegmentFile]:
        """Return the segments, the oldest first.

        Raises:
            EnvironmentFailure: If the folder cannot be read.
        """
        found = []
        try:
            for entry in os.scandir(self.path):
                if (match := _SEGMENT.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append(SegmentFile(int(match[1]), Path(entry.path), status.st_size, status.st_mtime))
        except OSError as error:
            raise not_read(self.path, error) from error
        return sorted(found, key=lambda each: each.number)

    def segment_path(self, number: int) -> Path:
        """Return the path of a segment; it need not exist."""
        return self.path / f"traces-{number:08}.devenv"

    def checkpoint_path(self, number: int) -> Path:
        """Return the path of the checkpoint of a segment; it need not exist."""
        return self.path / f"checkpoint-{number:08}.devenv"

    def checkpoints(self, segments: Iterable[int]) -> dict[int, int]:
        """Return the sizes of the checkpoints of these segments, by number; remove all others.

        Raises:
            EnvironmentFailure: If the folder cannot be read, or one not be removed.
        """
        wanted = set(segments)
        found: dict[int, int] = {}
        try:
            entries = list(os.scandir(self.path))
        except OSError as error:
            raise not_read(self.path, error) from error
        for entry in entries:
            match = _CHECKPOINT.fullmatch(entry.name)
            if match is None or not entry.is_file(follow_symlinks=False):
                continue
            if match[2] == "devenv" and int(match[1]) in wanted:
                found[int(match[1])] = entry.stat(follow_symlinks=False).st_size
            else:
                remove_file(Path(entry.path))
        return found

    def close(self) -> None:
        """Release the lock."""
        os.close(self._lock)


def _mark() -> str:
    return json.dumps({"devenv": "storage", "format": FORMAT})
