"""Where a value is on an axis, and which values an axis names."""

from __future__ import annotations

import math
from collections.abc import Sequence

TICK_ROOM = 96
"""Pixels of an axis for each tick."""

LABEL_GAP = 8
"""Pixels between two labels, at least."""

_FEWEST, _MOST = 2, 9
_STEPS = (1, 2, 5, 10, 20, 50)
_CLOCK_STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(1000 * seconds for seconds in (1, 2, 5, 10, 15, 30)),
    *(60_000 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3_600_000 * hours for hours in (1, 2, 3, 6, 12)),
    *(86_400_000 * days for days in (1, 2, 4, 7, 14, 28)),
)
"""Milliseconds."""
_LETTER = 6.6
"""Pixels of a digit at the smallest size of text: 0.55 of 12."""


def ticks(length: float, width: float) -> tuple[float, ...]:
    """The values from 0 to ``length`` that an axis names: multiples of 1, 2 or 5 times a power of ten.

    About one for 96 pixels, from two to ten of them. An axis without a length names 0 alone.

    Args:
        length: the last value of the axis.
        width: pixels of the axis.
    """
    if length <= 0 or not math.isfinite(length):
        return (0.0,)
    step = _step(length, min(max(int(width / TICK_ROOM), _FEWEST), _MOST))
    return tuple(number * step for number in range(int(length / step * (1 + 1e-9)) + 1))


def _step(length: float, most: int) -> float:
    """The smallest step with at most ``most`` parts, but one that the axis holds."""
    power = 10.0 ** (math.floor(math.log10(length)) - 1)
    fitting = [step for factor in _STEPS if (step := factor * power) <= length * (1 + 1e-9)]
    return next((step for step in fitting if length / step <= most * (1 + 1e-9)), fitting[-1])


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """The values that a logarithmic axis names, both ends included.

    Powers of ten; if the axis holds fewer than two, also 2 and 5 times such a power; if that is too little as well, all
    whole multiples. An axis whose end is at least twice its beginning has at least one.

    Args:
        low: above zero.
        high: at least ``low``.
    """
    powers = range(math.floor(math.log10(low) + 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    found: tuple[float, ...] = ()
    for factors in ((1,), (1, 2, 5), range(1, 10)):
        values = (factor * 10.0**power for power in powers for factor in factors)
        found = tuple(value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9))
        if len(found) > 1:
            break
    return found


def share(value: float, low: float, high: float) -> float:
    """Where a value is between two others, 0 to 1; values outside are at the ends."""
    if high <= low:
        return 0.0
    return min(max((value - low) / (high - low), 0.0), 1.0)


def log_share(value: float, low: float, high: float) -> float:
    """As :func:`share` on a logarithmic axis; ``low`` is above zero."""
    return share(math.log(max(value, low)), math.log(low), math.log(high))


def label_width(text: str) -> float:
    """About how many pixels a label of an axis has."""
    return _LETTER * len(text)


def apart(labels: Sequence[tuple[float, str]], width: float) -> tuple[bool, ...]:
    """Which labels are shown, so that none comes within 8 pixels of another.

    Args:
        labels: place (0 to 1) and text of each, from left to right. The first is written to the right of its place, the
            others to the left.
        width: pixels of the axis.
    """
    shown: list[bool] = []
    end = -math.inf
    for number, (place, text) in enumerate(labels):
        size = label_width(text)
        left = place * width if number == 0 else place * width - size
        fits = number == 0 or left >= end + LABEL_GAP
        shown.append(fits)
        if fits:
            end = left + size
    return tuple(shown)


def time_ticks(start_ms: float, end_ms: float, width: float) -> tuple[int, ...]:
    """The times that an axis names, in ms since the epoch: whole steps of a clock, at most one for 96 pixels."""
    most = max(int(width / TICK_ROOM), 1)
    step = next((step for step in _CLOCK_STEPS if (end_ms - start_ms) / step <= most), _CLOCK_STEPS[-1])
    first = math.ceil(start_ms / step)
    return tuple(number * step for number in range(first, math.floor(end_ms / step) + 1))
