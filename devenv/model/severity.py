"""Severities of log records, by OpenTelemetry's numbers and by the names that logging libraries have for them.

Numbers: https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber (four for each level, from 1).
"""

from __future__ import annotations

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""From the least to the most severe."""
PER_LEVEL = 4
UNKNOWN = 0

_OTHER_NAMES = {
    "TRACE": ("VERBOSE", "FINEST", "FINER", "ALL"),
    "DEBUG": ("DBG", "FINE", "CONFIG"),
    "INFO": ("INFORMATION", "INFORMATIONAL", "NOTICE", "LOG"),
    "WARN": ("WARNING", "WRN"),
    "ERROR": ("ERR", "SEVERE"),
    "FATAL": ("CRITICAL", "CRIT", "ALERT", "EMERG", "EMERGENCY", "PANIC", "DPANIC"),
}
_NUMBERS = {
    name: PER_LEVEL * number + 1 for number, level in enumerate(LEVELS) for name in (level, *_OTHER_NAMES[level])
}


def severity_number(name: str) -> int:
    """Return the lowest number of the level with this name, in any case; ``UNKNOWN`` if it is not one."""
    return _NUMBERS.get(name.strip().upper(), UNKNOWN)


def level_of(number: int) -> str:
    """Return the level of a severity number; empty if it is not between 1 and 24."""
    return LEVELS[(number - 1) // PER_LEVEL] if 1 <= number <= PER_LEVEL * len(LEVELS) else ""
