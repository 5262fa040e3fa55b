"""Files on disk: one read that never blocks, one written in one step, and devenv's own directories."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import DiskFull, EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO


class NotRegularFileError(OSError):
    """A FIFO, socket or device in the place of a file: reading it could block or never end."""


def read_regular_file(path: Path, limit: int | None = None) -> bytes:
    """Return the content of ``path``, at most ``limit`` bytes of it; ``/dev/null`` counts as an empty file.

    It never waits for another process: nothing but a regular file is opened.

    Raises:
        NotRegularFileError: If it is neither a regular file nor a directory.
        OSError: If it cannot be read.
    """
    with open_regular_file(path) as file:
        return file.read() if limit is None else file.read(limit)


def open_regular_file(path: Path, *, buffering: int = -1) -> BinaryIO:
    """Open ``path`` for reading; like :func:`read_regular_file`, it never waits.

    Raises:
        NotRegularFileError: If it is neither a regular file nor a directory.
        OSError: If it cannot be opened.
    """
    _check_regular(path, path.stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    file = os.fdopen(descriptor, "rb", buffering=buffering)
    try:
        _check_regular(path, os.fstat(descriptor))  # it may have been replaced in between
    except OSError:
        file.close()
        raise
    return file


def _check_regular(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISREG(found.st_mode) or os.path.samestat(found, Path(os.devnull).stat()):
        return
    raise NotRegularFileError(errno.EINVAL, "not a regular file", str(path))


def replace_file(path: Path, content: bytes | memoryview, *, durable: bool = True, mode: int = 0o666) -> None:
    """Write ``content`` to ``path`` in one step: a reader sees the old file or the new one, never half of it.

    A symbolic link is followed; the mode of an existing file stays.

    Args:
        path: the file; its directory exists.
        content: the whole new content.
        durable: wait until the disk has it, so that even a power failure leaves the old file or the new one; not
            needed for state that devenv can restore.
        mode: of a new file, less the bits of the umask.

    Raises:
        DiskFull: If no space is left; the old file is kept.
        EnvironmentFailure: If the file cannot be written for another reason; the old file is kept.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):  # it is there only if something else is on its way to the caller
            temporary.unlink(missing_ok=True)


def remove_file(path: Path) -> None:
    """Remove a file of devenv's own if it exists.

    Raises:
        EnvironmentFailure: If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return  # what is in the place of its directory is not devenv's
    except OSError as error:
        raise not_removed(path, error) from error


def not_written(path: Path, error: OSError) -> EnvironmentFailure:
    """The error for a file or directory that could not be written."""
    message = f"cannot write {path}: {error.strerror or error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(message, hint="free disk space")
    return EnvironmentFailure(message, hint="check the owner and permissions of its directory")


def not_read(path: Path, error: OSError) -> EnvironmentFailure:
    """The error for a file of devenv's own that could not be read."""
    hint = f"remove {path}" if isinstance(error, IsADirectoryError | NotRegularFileError) else "check its permissions"
    return EnvironmentFailure(f"cannot read {path}: {error.strerror or error}", hint=hint)


def not_removed(path: Path, error: OSError) -> EnvironmentFailure:
    """The error for a file of devenv's own that could not be removed."""
    return EnvironmentFailure(
        f"cannot remove {path}: {error.strerror or error}", hint="check the owner and permissions of its directory"
    )


def check_state_directory(path: Path) -> bool:
    """Return whether a project's ``.devenv/`` exists; a link to a directory and that of another user are not trusted.

    Raises:
        EnvironmentFailure: If it is such a link, or belongs to another user.
    """
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise EnvironmentFailure(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
    if stat.S_ISLNK(found.st_mode) and path.exists():
        raise EnvironmentFailure(f"{path} is a symbolic link, not a directory", hint="remove the link")
    if not stat.S_ISDIR(found.st_mode):
        return False  # no state; its creation says what is in its place
    if found.st_uid != os.geteuid():
        raise EnvironmentFailure(
            f"{path} belongs to another user (uid {found.st_uid})",
            hint=f"remove {path}, or run devenv as that user",
        )
    return True


def user_cache(environ: Mapping[str, str]) -> Path:
    """Return devenv's folder in the user's cache (XDG); it need not exist."""
    cache = environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if cache.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".cache"
    return base / "devenv"


def make_state_directory(path: Path) -> Path:
    """Create a project's ``.devenv/`` (mode 0700, ignored by git) if it is missing, and return it.

    Raises:
        DiskFull: If no space is left.
        EnvironmentFailure: If it cannot be created, or is not a directory of this user, such as a file or a link.
    """
    try:
        if check_state_directory(path):
            if path.stat().st_mode & 0o777 != 0o700:
                path.chmod(0o700)
        else:
            path.mkdir(mode=0o700, exist_ok=True)
            check_state_directory(path)
        for entry in os.scandir(path):
            if entry.is_symlink():  # such as from a clone: what devenv writes must stay in here
                raise EnvironmentFailure(f"{entry.path} is a symbolic link", hint=f"remove {entry.path}")
        ignore = path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise _not_created(path, error) from error
    return path


def _not_created(path: Path, error: OSError) -> EnvironmentFailure:
    """The error for a state directory that could not be created, or in which nothing can be."""
    if path.is_symlink() and not path.exists():
        reason, hint = f"it is a symbolic link to {path.readlink()}, which does not exist", "remove the link"
    elif path.exists() and not path.is_dir():
        reason, hint = "a file with this name exists", "move the file away: devenv keeps its state in this directory"
    elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"cannot create {path}: {error.strerror}", hint="free disk space")
    else:
        reason, hint = error.strerror or str(error), "make the project directory writable"
    return EnvironmentFailure(f"cannot create {path}: {reason}", hint=hint)
