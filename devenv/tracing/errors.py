"""Errors of the tracing library; it stands alone, so it has its own small tree.

TracingError
├── ConfigError   config.yaml is unreadable or says something that is not allowed
└── LaunchError   a program cannot be run
"""

from __future__ import annotations


class TracingError(Exception):
    """Base of every error that `devenv.tracing` raises on purpose."""


class ConfigError(TracingError):
    """One fault in a tracing configuration, with its exact place.

    Attributes:
        source: File name, or the name of the mapping that was passed.
        line: 1-based line, 0 where the configuration did not come from a file.
        column: 1-based column, 0 likewise.
        key: Dotted key, empty for a fault of the whole document.
        found: What stands there.
        expected: What is allowed there.
        suggestion: The nearest allowed name, empty where nothing is near.
    """

    def __init__(
        self,
        *,
        source: str,
        key: str,
        found: str,
        expected: str,
        line: int = 0,
        column: int = 0,
        suggestion: str = "",
    ) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.key = key
        self.found = found
        self.expected = expected
        self.suggestion = suggestion
        place = f"{source}:{line}:{column}" if line else source
        message = f"{place}: {key}: found {found}, expected {expected}" if key else f"{place}: {found}"
        if suggestion:
            message += f" (did you mean {suggestion}?)"
        super().__init__(message)


class LaunchError(TracingError):
    """A program cannot be run.

    Attributes:
        message: What is wrong, in one line.
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)
