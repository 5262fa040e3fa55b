"""Times and durations as Jaeger's parameters write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(ns|us|µs|μs|ms|s|m|h)")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?([Zz]|[+-]\d\d:\d\d)\Z",
    re.ASCII,
)
_MAX = 2**63 - 1


def parse_duration(text: str) -> int:
    """A Go duration (``1.5s``, ``300ms``, ``1h2m``) in ns.

    Raises:
        ValueError: it is none, or out of range.
    """
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    total = Fraction(0)
    position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None:
            break
        number = part[1] if not part[1].endswith(".") else part[1] + "0"
        total += Fraction(number if number[0] != "." else "0" + number) * _UNITS[part[2]]
        position = part.end()
    if not rest or position < len(rest) or total > _MAX:
        raise ValueError(f'time: invalid duration "{text[:64]}"')
    return sign * int(total)


def show_duration(nanoseconds: int) -> str:
    """A duration as Go prints it: ``1.5ms``, ``-45ms``, ``1m30s``, ``0s``."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < _UNITS["s"]:
        unit = next((each for each in ("ms", "µs", "ns") if rest >= _UNITS[each]), "s")
        return f"{sign}{_decimal(rest, _UNITS[unit])}{unit}"
    minutes, seconds = divmod(rest, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    above = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{above}{_decimal(seconds, _UNITS['s'])}s"


def _decimal(number: int, unit: int) -> str:
    whole, part = divmod(number, unit)
    digits = f"{part:0{len(str(unit)) - 1}}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)


def parse_rfc3339(text: str) -> int:
    """An RFC 3339 time with up to nanoseconds, in ns since the epoch.

    Raises:
        ValueError: it is none.
    """
    found = _RFC3339.match(text)
    if found is None:
        raise ValueError(f"not an RFC 3339 time: {text[:64]!r}")
    day, clock, fraction, zone = found.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * 1_000_000_000 + int((fraction or "0")[:9].ljust(9, "0"))


def parse_integer(text: str) -> int:
    """A 64-bit decimal integer.

    Raises:
        ValueError: it is none, or out of range.
    """
    if not re.fullmatch(r"[+-]?\d{1,20}", text, re.ASCII) or abs(int(text)) > _MAX:
        raise ValueError(f'parsing "{text[:64]}": invalid syntax')
    return int(text)


def parse_bool(text: str) -> bool:
    """A boolean as Go's ``strconv.ParseBool`` takes it.

    Raises:
        ValueError: it is none.
    """
    if text in {"1", "t", "T", "TRUE", "true", "True"}:
        return True
    if text in {"0", "f", "F", "FALSE", "false", "False"}:
        return False
    raise ValueError(f'parsing "{text[:64]}": invalid syntax')
