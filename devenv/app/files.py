"""Files of a project, written in one step: a reader never sees half of one, and a failure leaves what was there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from devenv.errors import DiskFull, EnvironmentFailure

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
