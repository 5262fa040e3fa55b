"""Every error that devenv raises on purpose.

The tree, with the process exit code of each branch::

    DevenvError
    ├── UsageError                 2   the command line asks for what cannot be
    │   ├── UnknownName            2   no such service, scenario, run, trace, stack; carries suggestions
    │   └── ConfigurationError     2   a file says what cannot be; file:line:column, found, expected
    │       └── StackFileError     2   the same, in a stack file
    ├── EnvironmentFailure         3   the machine lacks something
    │   ├── EngineUnavailable      3   no engine answers
    │   │   ├── EnginePermission   3   it is there, and this user may not use it
    │   │   └── EngineLost         3   it answered before and no longer does
    │   ├── EngineRefused          3   the engine answered with an error that has no class of its own
    │   ├── PortTaken              3   and by whom
    │   ├── ImageMissing           3   unknown to the engine and to the registry
    │   ├── PullFailed             3   the registry refused, or was not there
    │   ├── BuildFailed            3   with the last lines of the build's output
    │   ├── DiskFull               3
    │   ├── LockHeld               3   another command works on the project; carries its pid
    │   ├── NotUp                  3   the project is not up
    │   └── BackendUnavailable     3   the trace backend does not answer
    ├── Interrupted                130
    └── InternalError              70  a bug of ours

A verdict is not an error: its document says what was found, and the exit code is :data:`NEGATIVE_VERDICT` or
:data:`TIMED_OUT`. Errors of other libraries are translated where they enter, with ``raise … from``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

NEGATIVE_VERDICT = 1
"""Exit code of a command that worked and found something wrong: unhealthy, untraced, a threshold not met."""

TIMED_OUT = 4
"""Exit code of a command that stopped waiting."""


class DevenvError(Exception):
    """Base of all: one line of message, a hint of what to do, and facts for ``--json``.

    Args:
        message: one line: what, where, found, expected.
        hint: one line saying what to do about it; empty where nothing can be said.
        details: JSON-serialisable facts for machine readers.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    @property
    def kind(self) -> str:
        """Name of the class, as ``error.kind`` of the JSON contract."""
        return type(self).__name__


class UsageError(DevenvError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not there: service, scenario, run, trace or stack."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a text file; line and column count from 1, 0 where unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.line == 0:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class ConfigurationError(UsageError):
    """A file says what cannot be.

    Args:
        message: what is wrong, without the place.
        location: where.
        key: dotted path of the key, such as ``services.web.ports[0]``.
        found: what stands there, shortened.
        expected: what is allowed there.
        hint: what to do; a suggestion for a misspelt key.
    """

    def __init__(
        self,
        message: str,
        *,
        location: Location | None = None,
        key: str = "",
        found: str = "",
        expected: str = "",
        hint: str = "",
    ) -> None:
        self.location = location
        self.key = key
        self.found = found
        self.expected = expected
        text = f"{location}: {message}" if location else message
        facts = {"file": location.file, "line": location.line, "column": location.column} if location else {}
        details = {**facts, "key": key, "found": found, "expected": expected}
        super().__init__(text, hint=hint, details={name: value for name, value in details.items() if value})


class StackFileError(ConfigurationError):
    """A stack file says what cannot be; ``others`` are further errors of the same file, in order of place."""

    def __init__(
        self,
        message: str,
        *,
        location: Location | None = None,
        key: str = "",
        found: str = "",
        expected: str = "",
        hint: str = "",
        others: tuple[StackFileError, ...] = (),
    ) -> None:
        super().__init__(message, location=location, key=key, found=found, expected=expected, hint=hint)
        self.others = others
        if others:
            self.details["others"] = [{"message": other.message, **other.details} for other in others]


class EnvironmentFailure(DevenvError):
    """The machine lacks something that the command needs."""

    exit_code = 3


class EngineUnavailable(EnvironmentFailure):
    """No engine answers."""


class EnginePermission(EngineUnavailable):
    """The engine is there, but this user may not use it."""


class EngineLost(EngineUnavailable):
    """The engine answered before and no longer does."""


class EngineRefused(EnvironmentFailure):
    """The engine refused a request for a reason that has no class of its own."""


class PortTaken(EnvironmentFailure):
    """A port that is to be published is in use; the message names its owner where that can be found."""


class ImageMissing(EnvironmentFailure):
    """An image is neither at the engine nor at its registry."""


class PullFailed(EnvironmentFailure):
    """The registry refused or did not answer."""


class BuildFailed(EnvironmentFailure):
    """An image could not be built; the details carry the last lines of output."""


class DiskFull(EnvironmentFailure):
    """No space is left where the engine or the project writes."""


class LockHeld(EnvironmentFailure):
    """Another command is at work on the same project."""


class NotUp(EnvironmentFailure):
    """The project is not up, and the command needs it to be."""


class BackendUnavailable(EnvironmentFailure):
    """The trace backend does not answer, or not as Jaeger would."""


class Interrupted(DevenvError):
    """The user pressed Ctrl-C; what was done is stated."""

    exit_code = 130


class InternalError(DevenvError):
    """A bug of ours."""

    exit_code = 70
