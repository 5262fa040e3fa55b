"""Errors of the tracing library; it does not import devenv, so it has its own small tree.

TracingError
├── ConfigError   config.yaml cannot be read, or contains something that is not allowed
└── LaunchError   a program cannot be run
"""

from __future__ import annotations


class TracingError(Exception):
    """Base class of the errors that `devenv.tracing` raises."""


class ConfigError(TracingError):
    """One fault in a tracing configuration, with its exact place.

    Attributes:
        source: File name, or the name of the mapping that was passed.
        line: 1-based line, 0 if the configuration is not from a file.
        column: 1-based column, 0 likewise.
        key: Dotted key, empty for a fault of the whole document.
        found: The value as given, or what is wrong.
        expected: What is allowed.
        suggestion: The nearest allowed name, empty if none is similar.
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
        hint: How to correct it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)
