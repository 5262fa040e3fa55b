"""The process's own output streams, which can be closed, full, or a pipe that its reader has closed."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, cast

from devenv.errors import EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Iterator


class PipeClosed(Exception):
    """The reader of stdout has closed it, as ``| head`` does; nothing is wrong."""


class StreamFailure(EnvironmentFailure):
    """A stream of the process cannot be written to."""


class Stream:
    """A stream whose failures are devenv's own errors.

    Args:
        stream: the one to write to.
        name: in messages.
        keep_failure: keep a failure in :attr:`failure` and drop what follows, instead of raising: progress that cannot
            be shown does not stop the work that it reports.
    """

    def __init__(self, stream: IO[str], name: str, *, keep_failure: bool) -> None:
        self._stream = stream
        self._name = name
        self._keep_failure = keep_failure
        self._dead = False
        self.failure: StreamFailure | None = None

    def write(self, text: str) -> int:
        """Write text.

        Raises:
            PipeClosed: If the reader has closed the pipe.
            StreamFailure: If the stream cannot be written to.
        """
        if not self._dead:
            try:
                self._stream.write(text)
            except OSError as error:
                self._failed(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered; raises as :meth:`write`."""
        if not self._dead:
            try:
                self._stream.flush()
            except OSError as error:
                self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _failed(self, error: OSError) -> None:
        self._dead = True
        with suppress(OSError, ValueError), open(os.devnull, "w") as nothing:  # noqa: PTH123 - a device, not a path
            os.dup2(nothing.fileno(), self._stream.fileno())  # else the interpreter tries again when it exits
        if not isinstance(error, BrokenPipeError):
            self.failure = not_writable(self._name, error.strerror or str(error))
        if not self._keep_failure:
            raise (self.failure or PipeClosed()) from error


def not_writable(name: str, reason: str) -> StreamFailure:
    """The error for a stream that cannot be written to."""
    return StreamFailure(f"cannot write to {name}: {reason}", hint=f"redirect {name} to a file that can be written")


def closed_stream() -> str:
    """Name of an output stream that the process was started without, as with ``>&-``; empty if it has both."""
    return "stdout" if sys.stdout is None else "stderr" if sys.stderr is None else ""


@contextmanager
def guarded_streams() -> Iterator[tuple[Stream, Stream]]:
    """Put guards in the place of ``sys.stdout`` and ``sys.stderr``, also for what other libraries print."""
    before = sys.stdout, sys.stderr
    for stream in before:
        with suppress(AttributeError):  # a stand-in of a test
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # of TextIOWrapper
    out = Stream(sys.stdout, "stdout", keep_failure=False)
    err = Stream(sys.stderr, "stderr", keep_failure=True)
    sys.stdout, sys.stderr = cast("Any", out), cast("Any", err)
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before
