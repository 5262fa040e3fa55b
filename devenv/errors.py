"""The errors that devenv raises, and their exit codes.

The tree, with the process exit code of each branch::

    DevenvError
    ├── UsageError                 2   the command line is wrong
    │   ├── UnknownName            2   no such service, scenario, run, trace or stack; with suggestions
    │   └── ConfigurationError     2   a file is wrong; with file:line:column, found, expected
    │       └── StackFileError     2   the same, for a stack file
    ├── EnvironmentFailure         3   the machine or the project is not ready for the command
    │   ├── EngineUnavailable      3   no engine responds
    │   │   ├── EnginePermission   3   it is available, but this user may not use it
    │   │   └── EngineLost         3   it stopped responding
    │   ├── EngineRefused          3   the engine returned an error without a class here
    │   │   └── NameTaken          3   a container name is in use; with its owner
    │   ├── PortTaken              3   in use; with its owner
    │   ├── ImageMissing           3   not known to the engine or to the registry
    │   ├── PullFailed             3   the registry refused or did not respond
    │   ├── BuildFailed            3   with the last lines of the build output
    │   ├── DiskFull               3
    │   ├── LockHeld               3   another command has locked the project; with its pid
    │   ├── NotUp                  3   the project is not running
    │   └── BackendUnavailable     3   the trace backend does not respond
    ├── Interrupted                130
    └── InternalError              70  an internal error

A verdict is not an error: the document contains it, and the exit code is :data:`NEGATIVE_VERDICT` or :data:`TIMED_OUT`.
Errors of other libraries are translated at the boundary, with ``raise … from``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from devenv.immutable import immutable

NEGATIVE_VERDICT = 1
"""Exit code of a command that worked and found something wrong: unhealthy, untraced, a threshold not met."""

TIMED_OUT = 4
"""Exit code of a command that stopped waiting."""


class DevenvError(Exception):
    """Base of all: a one-line message, a hint and facts for ``--json``.

    Args:
        message: one line: what happened, where, found, expected.
        hint: one line with the remedy; empty if none is known.
        details: JSON-serialisable facts for programs.
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
    """The command line is wrong, or cannot be carried out."""

    exit_code = 2


class UnknownName(UsageError):
    """No service, scenario, run, trace or stack has this name."""


@immutable()
class Location:
    """A place in a text file; line and column count from 1, 0 if unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.line == 0:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class ConfigurationError(UsageError):
    """A file is wrong.

    Args:
        message: what is wrong, without the place.
        location: where.
        key: dotted path of the key, such as ``services.web.ports[0]``.
        found: the value in the file, shortened.
        expected: what is allowed.
        hint: the remedy, or a suggestion for a misspelt key.
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
    """A stack file is wrong; ``others`` are further errors in the same file, in order of position."""

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
    """The machine or the project is not ready for the command."""

    exit_code = 3


class EngineUnavailable(EnvironmentFailure):
    """No engine responds."""


class EnginePermission(EngineUnavailable):
    """The engine is available, but this user may not use it."""


class EngineLost(EngineUnavailable):
    """The engine responded before and no longer does."""


class EngineRefused(EnvironmentFailure):
    """The engine refused a request for a reason without a class here."""


class NotStarted(EngineRefused):
    """An instance cannot start; ``reason`` is the message without the words that say so, for another sentence.

    Args:
        service: of the instance.
        reason: why, such as ``exec: nosuch: not found``.
        hint: as for every error.
        details: as for every error.
    """

    def __init__(self, service: str, reason: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"cannot start {service}: {reason}", hint=hint, details=details)
        self.reason = reason


class NameTaken(EngineRefused):
    """A container of another project has a name that is needed; the message names it."""


class PortTaken(EnvironmentFailure):
    """A port to publish is in use; the message names its owner if known."""


class ImageMissing(EnvironmentFailure):
    """An image is known neither to the engine nor to its registry."""


class PullFailed(EnvironmentFailure):
    """The registry refused or did not respond."""


class BuildFailed(EnvironmentFailure):
    """An image could not be built; the details carry the last lines of output."""


class DiskFull(EnvironmentFailure):
    """No disk space is left for the engine or the project."""


class LockHeld(EnvironmentFailure):
    """Another command has locked the project."""


class NotUp(EnvironmentFailure):
    """The command needs a running project."""


class BackendUnavailable(EnvironmentFailure):
    """The trace backend does not respond, or its responses are not Jaeger's."""


class Interrupted(DevenvError):
    """The user pressed Ctrl-C."""

    exit_code = 130


class InternalError(DevenvError):
    """An internal error of devenv."""

    exit_code = 70
