"""Files of a project, written in one step: a reader never sees half of one, and a failure leaves what was there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from devenv.errors import DiskFull, EnvironmentFailure, UsageError

_NO_SPACE = 28  # ENOSPC


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whose directory is there; the mode of a file that is replaced stays.

    Raises:
        EnvironmentFailure: the file cannot be written; what stood there stays.
    """
    # A link is followed, so that the file which it names is replaced and not the link.
    target = path.resolve()
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
        Path(temporary).replace(target)
    except OSError as error:
        if temporary is not None:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> EnvironmentFailure:
    """The error of a file or directory that could not be written."""
    message = f"{path} cannot be written: {error.strerror or error}"
    if error.errno == _NO_SPACE:
        return DiskFull(message, hint="free some space")
    return EnvironmentFailure(message, hint="check the owner and the mode of its directory")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def place_files(root: Path, files: Mapping[str, bytes], *, dry_run: bool = False) -> None:
    """Write new files below ``root``, in their order; where one cannot be written, those before it are removed again.

    Args:
        root: a directory; made where it is not there.
        files: content by path with ``/``, relative to ``root``.
        dry_run: see whether they could be written, and write nothing.

    Raises:
        UsageError: files of these names are there; nothing is written.
        EnvironmentFailure: a file cannot be written.
    """
    if taken := in_the_way(root, files):
        raise UsageError(
            f"{root} has {', '.join(taken)} already, and nothing is overwritten",
            hint="take an empty directory, or move them away",
            details={"files": list(taken)},
        )
    if dry_run:
        return
    made: list[Path] = []
    try:
        for name, content in files.items():
            path = root / name
            for parent in reversed([path.parent, *path.parent.parents]):
                if not parent.exists():
                    parent.mkdir()
                    made.append(parent)
            made.append(path)
            replace_file(path, content)
    except BaseException as error:  # Ctrl-C included: half a project would be in the way of the next attempt
        for path in reversed(made):
            _remove(path)
        if isinstance(error, OSError):
            raise not_written(root, error) from error
        raise


def in_the_way(root: Path, files: Iterable[str]) -> tuple[str, ...]:
    """Those of ``files`` that are there, and files that stand where directories have to be."""
    found: dict[str, None] = {}
    for name in files:
        for part in (PurePosixPath(name), *PurePosixPath(name).parents[:-1]):
            path = root / part
            if (path.exists() or path.is_symlink()) and (str(part) == name or not path.is_dir()):
                found[str(part)] = None
    return tuple(found)


def _remove(path: Path) -> None:
    with suppress(OSError):  # what cannot be removed is less than the error that led here
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
