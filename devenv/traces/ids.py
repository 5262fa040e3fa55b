"""Trace and span ids as text."""

from __future__ import annotations

import re

_HEX = re.compile(r"[0-9a-fA-F]{1,32}\Z")


def parse_trace_id(text: str) -> bytes:
    """An id of up to 32 hexadecimal digits in either case, leading zeros optional, as Jaeger takes it.

    Raises:
        ValueError: it is something else.
    """
    if len(text) > 32:
        raise ValueError(f"TraceID cannot be longer than 32 hex characters: {text[:64]}")
    if not _HEX.match(text):
        raise ValueError(f"a trace id has 1 to 32 hexadecimal digits, not {text!r}")
    return bytes.fromhex(text.zfill(32))


def show_trace_id(trace_id: bytes) -> str:
    """As Jaeger's legacy API writes it: 16 digits where the upper half is zero, else 32."""
    digits = trace_id.hex()
    return digits[16:] if digits.startswith("0" * 16) and len(digits) == 32 else digits.zfill(32)


def show_span_id(span_id: bytes) -> str:
    """16 digits."""
    return span_id.hex().zfill(16)
