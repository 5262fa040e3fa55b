"""Path of the daemon's Unix socket, which may be longer than the 107 bytes that the kernel accepts."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

NAME = "daemon.sock"
LONGEST = 100


def abstract_name(directory: Path) -> str:
    """Name of the socket beside the one in ``.devenv/``: it needs no file (Linux, ``unix(7)``); empty elsewhere.

    Every user may connect to it or take the name first, so both ends check the user at the other end.
    """
    if sys.platform != "linux":
        return ""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(directory.parent))).hexdigest()[:32]
    return f"\0devenv-{os.geteuid()}-{digest}"


class SocketPath(AbstractContextManager[str]):
    """A path of the socket that is short enough, for as long as the context lasts.

    A long one is reached through ``/proc/self/fd`` of its directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def __enter__(self) -> str:
        path = str(self._directory / NAME)
        if len(os.fsencode(path)) <= LONGEST:
            return path
        self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._descriptor}/{NAME}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
