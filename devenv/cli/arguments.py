"""Parsers for option values: durations, times, regular expressions, filters, numbers of instances and paths."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.traces.filters.expression import Call


def seconds(text: str, option: str) -> float:
    """Seconds of a duration such as ``30s``, ``1m30s`` or ``250ms``.

    Raises:
        UsageError: If the text is not a duration.
    """
    from devenv.model.extension import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: found {text!r}, expected {error}") from error


def instant(text: str, option: str) -> float:
    """Seconds since the epoch, of an ISO 8601 time or of a duration before now.

    Raises:
        UsageError: If the text is neither.
    """
    from datetime import UTC, datetime

    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return time.time() - seconds(text, option)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def pattern(text: str, option: str) -> re.Pattern[str]:
    """A compiled regular expression.

    Raises:
        UsageError: If the text is not a regular expression; the message names the position.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{option}: {text!r} is not a valid regular expression: {error}") from error


def level(text: str, option: str) -> int:
    """The least severity number of a level such as ``warn``.

    Raises:
        UsageError: If the text is not a level.
    """
    from devenv.model.severity import LEVELS, severity_number
    from devenv.suggestions import suggest

    found = severity_number(text)
    if not found:
        names = [name.lower() for name in LEVELS]
        message = f"{option}: found {text!r}, expected one of {', '.join(names)}"
        raise UsageError(message, hint=suggest(text.lower(), names))
    return found


def trace_filter(text: str, option: str) -> Call:
    """A filter of traces in its text form.

    Raises:
        UsageError: If it is malformed; the message has the column, and the details show it.
    """
    from devenv.traces.filters.expression import FilterError
    from devenv.traces.filters.text_form import parse
    from devenv.traces.filters.text_tokens import pointed

    try:
        return parse(text)
    except FilterError as error:
        details = {"column": error.column, "output": pointed(text, error.column)}
        raise UsageError(f"{option}: {error}", hint=error.hint, details=details) from error


def scale_of(pairs: Iterable[str]) -> dict[str, int]:
    """Numbers of instances by service, of ``SERVICE=N``.

    Raises:
        UsageError: If a text is not of that form.
    """
    found: dict[str, int] = {}
    for text in pairs:
        name, _, count = text.partition("=")
        if not name or not (count.isascii() and count.isdecimal()):
            raise UsageError(f"--scale: found {text!r}, expected SERVICE=N such as user=3")
        found[name] = int(count)
    return found


def url_path(text: str | None, option: str) -> str | None:
    """The path of a URL, or ``None`` if the option is not given.

    Raises:
        UsageError: If it does not begin with a slash.
    """
    if text is not None and not text.startswith("/"):
        raise UsageError(f"{option}: found {text!r}, expected a path such as /health")
    return text


def exclude(first: str, first_given: bool, second: str, second_given: bool) -> None:
    """Refuse two options that contradict each other.

    Raises:
        UsageError: If both are given.
    """
    if first_given and second_given:
        raise UsageError(f"{first} and {second} cannot be used together", hint="use one of the two")
