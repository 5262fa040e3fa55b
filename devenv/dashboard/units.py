"""Times and durations as text."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = ((3_600_000_000_000, "h"), (60_000_000_000, "min"), (1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))


def show_duration(nanoseconds: int) -> str:
    """Three digits and a unit: ``1.24 ms``; ``0`` for a span without length, which backends store as 1 ns."""
    if nanoseconds <= 1:
        return "0"
    for size, unit in _STEPS:
        if nanoseconds >= size:
            value = nanoseconds / size
            digits = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{nanoseconds} ns"


def show_time(nanoseconds: int) -> str:
    """UTC to the millisecond; the bare number if it is outside the calendar."""
    try:
        moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(nanoseconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{nanoseconds // 1_000_000 % 1000:03d} UTC"
