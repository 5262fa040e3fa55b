"""Quantities with UCUM's units for people, and their course over time as a line of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "-"
_BLOCKS = "▁▂▃▄▅▆▇█"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_BYTES = {"By": 1, "KiBy": 1024, "MiBy": 1024**2, "kBy": 1000, "MBy": 1000**2}


def number(value: float) -> str:
    """A number with four digits, and all digits of a whole number below a million."""
    if float(value).is_integer() and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit: times and sizes in the unit that fits them; ``1`` and annotations are not shown."""
    if value is None:
        return UNKNOWN
    if unit in _SECONDS:
        return _time(value * _SECONDS[unit])
    if unit in _BYTES:
        return _size(value * _BYTES[unit])
    if unit in {"", "1"} or unit.startswith("{"):
        return number(value)
    return f"{number(value)}%" if unit == "%" else f"{number(value)} {unit}"


def per_second(value: float | None, unit: str = "") -> str:
    """A rate; empty if there is none."""
    return "" if value is None else f"{quantity(float(f'{value:.3g}'), unit)}/s"


def blocks(values: Sequence[float | None], *, from_zero: bool) -> str:
    """One block for each value, between the smallest (or zero) and the largest one; a space for none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    if from_zero:
        low = min(low, 0.0)
    span = (high - low) or 1.0
    most = len(_BLOCKS) - 1
    return "".join(" " if value is None else _BLOCKS[round((value - low) / span * most)] for value in values)


def _time(seconds: float) -> str:
    size = abs(seconds)
    if size >= 1 or size == 0:
        return f"{seconds:.3g} s" if size < 1000 else f"{seconds:.0f} s"
    return f"{seconds * 1e3:.3g} ms" if size >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024 or unit == "GiB":
            return f"{size:.4g} {unit}"
        size /= 1024
    raise AssertionError("the last unit returns")
